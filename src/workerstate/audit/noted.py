"""What a walk through code notes: names that are read, what is set, called, raised, used."""

from __future__ import annotations

import os

from workerstate.audit import computed
from workerstate.audit.known import ABSENT, FILLED, NOWHERE, Known, Place, is_a
from workerstate.audit.lookups import class_of, home_of
from workerstate.fingerprint.classes import (
    ModuleType,
    module_namespace,
    plain_module,
    qualified,
)
from workerstate.program import user_modules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MOST_NOTES = 20
_MAKERS = ("__init__", "__new__", "__post_init__")
# Methods that run where a task is read, or its result is written: around what is seen of it.
_UNSEEN = frozenset(
    (
        *("__setstate__", "__getstate__", "__new__", "__reduce__", "__reduce_ex__"),
        *("__getnewargs__", "__getnewargs_ex__"),
    )
)


class Noted:
    """All that one task can read.

    Attributes:
        names: root -> chain -> the first place that reads it.
        library: the same for attributes of libraries that are named directly.
        stores: root -> the first place in the task's code that sets or changes it.
        open_stores: module or class -> where attributes of it are set by names that are computed.
        calls: functions of libraries that are called, by name.
        used: libraries of which something is used.
        loggers, variables: names of loggers and of environment variables that are read.
        formats: libraries whose objects it makes into text.
        hashes: where it asks for a hash, which for text is another one in each process.
        set_variables: environment variables that are set.
        identity: root -> where it is compared by ``is``.
        imports: modules that the code imports when it is called.
        makers: root -> the function without arguments that sets it.
        everywhere: table -> key -> all places that make such a note; of ``named`` those that
            name a root, however what is there is then read.
        exceptions: classes of exceptions of the program that it raises.
        followed: (file, first line) of each code that was followed.
        notes: what was not followed.
    """

    def __init__(self) -> None:
        self.names: dict[str, dict[tuple[str, ...], Place]] = {}
        self.library: dict[str, dict[tuple[str, ...], Place]] = {}
        self.stores: dict[str, Place] = {}
        self.open_stores: dict[str, Place] = {}
        self.calls: dict[str, Place] = {}
        self.used: dict[str, Place | None] = {}
        self.loggers: set[str] = set()
        self.variables: dict[str, Place] = {}
        self.set_variables: set[str] = set()
        self.identity: dict[str, Place] = {}
        self.imports: list[str] = []
        # Of ``library``: only the library's own code reads them. With the place that sets them.
        self.replaced: dict[str, str | None] = {}
        self.exceptions: dict[str, tuple[type, Place]] = {}
        self.followed: dict[tuple[str, int], str] = {}
        self.notes: list[str] = []
        self.attributes: dict[str, Place] = {}
        self.loose_stores: set[str] = set()  # attributes set on what is not known
        self.changes: set[str] = set()  # attributes set on any object that is not being made
        self.recursive: Place | None = None
        self.formats: dict[str, Place] = {}
        self.hashes: Place | None = None
        self.kept_arguments: int | None = None
        self.makers: dict[str, str] = {}
        self.given: set[str] = set()  # what others than its maker set or change
        self.function_root = ""  # of the function that is walked through, if it takes no arguments
        self.everywhere: dict[str, dict[str, set[str]]] = {}
        self.modules = user_modules()
        self.environ = os.environ

    def is_users(self, module: str) -> bool:
        """Tell whether a module belongs to the program."""
        return module in self.modules

    def note(self, text: str) -> None:
        """Keep a sentence on what was not followed."""
        if text not in self.notes and len(self.notes) < _MOST_NOTES:
            self.notes.append(text)

    def place(self, table: str, key: str, at: Place | None) -> None:
        """Keep one more place of what is noted in a table."""
        known = NOWHERE if at is None or at.scope in _UNSEEN else at
        self.everywhere.setdefault(table, {}).setdefault(key, set()).add(str(known))

    def add(self, table: str, key: str, at: Place | None) -> None:
        """Note something in a table, with the first place that makes that note."""
        getattr(self, table).setdefault(key, at)
        self.place(table, key, at)

    def note_use(self, cls: type, at: Place | None) -> None:
        """Keep that something of a library is used."""
        module = qualified(cls)[0]
        if not self.is_users(module) and module != "builtins":
            self.add("used", module.partition(".")[0], at)

    def variable(self, key: Known | None, at: Place) -> None:
        """Note that an environment variable is read."""
        if key is not None and is_a(key.value, str):
            self.add("variables", key.value, at)

    def _assign(self, root: str, at: Place) -> None:
        if self.function_root:
            self.makers.setdefault(root, self.function_root)
        self.change(root, at)

    def change(self, root: str, at: Place) -> None:
        """Note that what goes by a name is changed."""
        self.add("stores", root, at)
        if not self.function_root or self.function_root != self.makers.get(root):
            self.given.add(root)

    def store_name(self, space: dict[str, Any], name: str, value: Any, at: Place) -> None:
        """Note that a global is set."""
        self._assign(f"{plain_module(space.get('__name__'))}.{name}", at)

    def store_attribute(self, owner: Known | None, name: str, value: Any, at: Place) -> None:
        """Note that an attribute is set."""
        if owner is None or owner.value is ABSENT:
            self._store_loosely(name, at)
        elif issubclass(type(owner.value), ModuleType):
            home = plain_module(vars(owner.value).get("__name__"))
            self._assign(f"{home}.{name}", at)
        elif issubclass(type(owner.value), type):
            home_name = home_of(owner.value)
            self._assign(f"{home_name}.{name}", at)
        elif owner.path is not None:
            self.change(owner.path[0], at)
            self._change(name, at)
        else:
            self._store_loosely(name, at)

    def _store_loosely(self, name: str, at: Place) -> None:
        self.loose_stores.add(name)
        self._change(name, at)

    def _change(self, name: str, at: Place) -> None:
        if at.scope not in _MAKERS:
            self.changes.add(name)

    def store_item(self, owner: Known, key: Known | None, at: Place) -> None:
        """Note that an item is set."""
        if computed.is_namespace(owner.value):
            computed.store(self, owner, key, at)
        elif owner.value is self.environ:
            if key is not None:
                self.set_variables.add(str(key.value))
        elif owner.path is not None:
            self.change(owner.path[0], at)
            self.keep(owner.path[0], (*owner.path[1], FILLED), at)

    def raised_class(self, cls: type, at: Place) -> None:
        """Note that an exception of the program is raised."""
        if issubclass(cls, BaseException) and self.is_users(qualified(cls)[0]):
            name = home_of(cls) or ".".join(qualified(cls))
            self.exceptions.setdefault(name, (cls, at))

    def raised(self, value: Known | None, at: Place) -> None:
        """Note what is raised: a class, or an instance that is made of it."""
        if value is not None:
            cls = value.value if is_a(value.value, type) else class_of(value)
            if is_a(cls, type):
                self.raised_class(cls, at)

    def keep(self, root: str, chain: tuple[str, ...], at: Place) -> None:
        """Note that the code reads what a path leads to."""
        table = self.names if self._of_program(root) else self.library
        table.setdefault(root, {}).setdefault(chain, at)
        self.place("reads", "\t".join((root, *chain)), at)

    def _of_program(self, root: str) -> bool:
        name = root
        while "." in name:
            name = name.rpartition(".")[0]
            if name in self.modules:
                return True
            if module_namespace(name) is not None:
                return False
        return False
