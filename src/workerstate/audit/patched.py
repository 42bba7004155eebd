"""What the program put into a library, and a task reaches only through the library's own code.

The library's classes and modules are looked through for functions and classes of the program's
and for mocks, and the program's sources for lines that set something there. One counts if the
library's code that the task calls can name it: a walk from call to call over the names in the
bytecode, of what is defined in Python. Nothing is called. Where a module computes names (by
``getattr``), any method of its classes may be meant. What comes by way of code in C is not found.
"""

from __future__ import annotations

import sys
import time

from workerstate.audit import stored
from workerstate.audit.known import NOWHERE, Place
from workerstate.audit.lookups import contents
from workerstate.audit.shapes import kind_of, start
from workerstate.fingerprint.classes import (
    FunctionType,
    ModuleType,
    module_name,
    module_namespace,
    mro_of,
    name_of,
    namespace_of,
    qualified,
)
from workerstate.fingerprint.walk import is_scalar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType
    from typing import Any

    from workerstate.audit.reach import Reach

    Foreign = tuple[str, type | None, str]  # the module, the class there if any, and the name

MOST_SECONDS = 0.3  # for each of the two: looking through the libraries, and the walk

_Code = type((lambda: None).__code__)
_WRAPPERS = (staticmethod, classmethod)
_PARTIALS = ("functools.partialmethod", "functools.partial")


def note(reach: Reach) -> None:
    """Add to what a task reads what the program put into the libraries that it calls."""
    found = {**dict.fromkeys(_foreign(reach)), **dict(stored.in_libraries(reach))}
    if not found:
        return
    walk = _Walk(reach)
    if not walk.run():
        reach.note("the code of the task's libraries is larger than what is followed")
    for (module, cls, name), set_at in found.items():
        root = f"{module}.{name}" if cls is None else f"{module}.{qualified(cls)[1]}.{name}"
        if root in reach.stores or not walk.names(module, cls, name):
            continue
        if set_at is not None or root not in reach.library:
            reach.library.setdefault(root, {(): _called_at(reach, module.partition(".")[0])})
            reach.replaced[root] = set_at


def aliases(reach: Reach) -> dict[str, list[str]]:
    """Give the other names in its package by which such an object's class or module is known."""
    found = {}
    for root in reach.replaced:
        owner, _, name = root.rpartition(".")
        known = start(owner)
        if known is None:
            continue
        title = owner.rpartition(".")[2]
        others = [
            f"{module}.{title}.{name}"
            for module, namespace in _modules({owner.partition(".")[0]})
            if namespace.get(title) is known.value and f"{module}.{title}" != owner
        ]
        found[root] = others
    return found


def _called_at(reach: Reach, package: str) -> Place:
    for name, at in reach.calls.items():
        if name.partition(".")[0] == package:
            return at
    return reach.used.get(package) or NOWHERE


def _modules(packages: set[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name in list(sys.modules):
        if name.partition(".")[0] in packages:
            namespace = module_namespace(name)
            if namespace is not None:
                yield name, namespace


def _foreign(reach: Reach) -> Iterator[Foreign]:
    """Give what is the program's in the modules of the libraries that the task uses."""
    deadline = time.monotonic() + MOST_SECONDS
    for module, namespace in _modules(set(reach.used)):
        if reach.is_users(module):
            continue
        if time.monotonic() > deadline:
            reach.note("the task's libraries are larger than what is looked through")
            return
        for name, value in list(namespace.items()):
            if type(name) is not str:
                continue
            if _is_programs(reach, value):
                yield module, None, name
            elif issubclass(type(value), type) and qualified(value) == (module, name):
                for attribute, held in list(namespace_of(value).items()):
                    if _is_programs(reach, held):
                        yield module, value, attribute


def _is_programs(reach: Reach, value: Any) -> bool:
    """Tell whether it is the program's, or may be: a worker then tells by having another one."""
    value = value.__func__ if type(value) in _WRAPPERS else value
    kind = type(value)
    if kind is property:
        return any(_is_programs(reach, each) for each in (value.fget, value.fset))
    if name_of(kind) in _PARTIALS:
        return _is_programs(reach, value.func) or _is_plain(value)
    if kind is FunctionType:
        return reach.can_follow(value)
    if issubclass(kind, type):
        return reach.is_users(qualified(value)[0])
    return qualified(kind)[0] == "unittest.mock" and kind_of(value) == "mock"


def _is_plain(partial: Any) -> bool:
    """Tell whether a partial is of a function, with plain values only: it says who has made it."""
    values = (*partial.args, *partial.keywords.values())
    return type(partial.func) is FunctionType and all(map(is_scalar, values))


class _Walk:
    """The code of libraries that a task's calls may run: by name, so rather more than less."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._named = set(reach.attributes)
        self._holders: dict[int, dict[str, Any]] = {}  # namespaces of modules and classes
        self._classes: set[int] = set()
        self._codes: set[CodeType] = set()
        self._computing: set[str] = set()  # modules whose code that was reached computes names
        self._new: list[Any] = []
        for name in reach.calls:
            known = start(name)
            if known is not None:
                self._new.append(known.value)

    def run(self) -> bool:
        """Walk until nothing new is reached; tell whether there was time for all."""
        deadline = time.monotonic() + MOST_SECONDS
        done: set[tuple[int, str]] = set()
        while self._new:
            while self._new:
                self._reached(self._new.pop())
                if time.monotonic() > deadline:
                    return False
            for holder, namespace in list(self._holders.items()):
                for name in self._used(namespace):
                    if (holder, name) not in done:
                        done.add((holder, name))
                        self._new.append(namespace.get(name))
        return True

    def names(self, module: str, cls: type | None, name: str) -> bool:
        """Tell whether the code that was reached may ask for this name there."""
        if cls is None:
            return id(module_namespace(module)) in self._holders and name in self._named
        return id(cls) in self._classes and (name in self._named or name.startswith("__"))

    def _used(self, namespace: dict[str, Any]) -> Iterator[str]:
        of_class = "__name__" not in namespace
        any_of_them = of_class and namespace.get("__module__") in self._computing
        for name in list(namespace):
            if any_of_them or name in self._named or (of_class and name[:2] == "__"):
                yield name

    def _reached(self, value: Any) -> None:
        value = value.__func__ if type(value) in _WRAPPERS else value
        kind = type(value)
        if kind is FunctionType:
            if not self._reach.can_follow(value):
                if self._code(value.__code__):
                    self._computing.add(value.__module__)
                self._holders.setdefault(id(value.__globals__), value.__globals__)
        elif issubclass(kind, ModuleType):
            namespace = module_namespace(module_name(value))
            if namespace is not None:
                self._holders.setdefault(id(namespace), namespace)
        elif issubclass(kind, type):
            self._class(value)
        elif kind is property:
            self._new.append(value.fget)
        else:
            self._class(kind)
            self._new += contents(value, 20)

    def _class(self, cls: type) -> None:
        if id(cls) in self._classes:
            return
        for base in mro_of(cls):
            self._classes.add(id(base))
            if qualified(base)[0] != "builtins":
                own = {n: v for n, v in namespace_of(base).items() if type(n) is str}
                self._holders.setdefault(id(base), own)

    def _code(self, code: CodeType) -> bool:
        """Take in the names in a piece of code; tell whether it may compute some."""
        computes = "getattr" in code.co_names
        if code not in self._codes:
            self._codes.add(code)
            self._named.update(code.co_names)
            for held in code.co_consts:
                if type(held) is _Code and self._code(held):
                    computes = True
        return computes
