"""The objects in the hands of a task's code, of which it may ask any attribute by name.

Where the walk has lost sight of which object an attribute is asked of, each of these that has one
of that name is taken to be it.
"""

from __future__ import annotations

from workerstate.audit.known import (
    ABSENT,
    IMPLIED,
    MAKERS,
    NOWHERE,
    Known,
    MethodType,
    Place,
)
from workerstate.audit.lookups import (
    attribute_of,
    attributes,
    class_of,
    contents,
    home_of,
    known_function,
)
from workerstate.audit.noted import Noted
from workerstate.audit.shapes import kind_of
from workerstate.fingerprint.classes import (
    FunctionType,
    imported,
    mro_of,
    namespace_of,
    qualified,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Floating(Noted):
    """A walk, and the objects whose methods and class attributes its code may name."""

    def __init__(self) -> None:
        super().__init__()
        self._floating: dict[int, tuple[Known, bool]] = {}

    def after(self, first: Floating) -> None:
        """Go on with what the walk through an initializer has made."""
        for key, (known, _) in first._floating.items():
            self._floating.setdefault(key, (known, False))

    def finish(self) -> None:
        """Follow the methods, and read the class attributes, that the code names on any object."""
        done: set[tuple[int, str]] = set()
        while True:
            fresh = [
                (known, name, where)
                for known, whole in list(self._floating.values())
                for name, where in self._wanted(known, whole).items()
                if (id(class_of(known)), name) not in done
            ]
            if not fresh or self._over():
                return
            for known, name, where in fresh:
                done.add((id(class_of(known)), name))
                found = attribute_of(known, name, self._property)
                if found is None:
                    continue
                if type(found.value) is FunctionType:
                    self._call(found, [], None, where)
                elif found.path is not None:
                    self.read(found, where)

    def _wanted(self, known: Known, whole: bool) -> dict[str, Place]:
        cls = class_of(known)
        names: set[str] = set()
        for base in mro_of(cls):
            if self.is_users(qualified(base)[0]):
                names.update(name for name in namespace_of(base) if type(name) is str)
        found = {}
        for name in names:
            if name in self.attributes:
                found[name] = self.attributes[name]
            elif self._is_implied(known, name) or (whole and not name.startswith("__")):
                found[name] = NOWHERE
        return found

    def _is_implied(self, known: Known, name: str) -> bool:
        """Tell whether a method runs though no code names it."""
        if name == "run":
            # A thread calls that of the program's class.
            above = (
                base for base in mro_of(class_of(known)) if not self.is_users(qualified(base)[0])
            )
            return any("run" in namespace_of(base) for base in above)
        return name in IMPLIED and (known.value is ABSENT or name not in MAKERS)

    def float(self, value: Any, *, whole: bool = False, depth: int = 3, sent: bool = False) -> None:
        """Take note of an object whose methods and class attributes the code may ask for.

        What is ``sent`` with the task a worker finds by name; what a container of the worker's
        holds it has from there.
        """
        kind = type(value)
        if kind in (FunctionType, MethodType):
            if depth < 3 or whole:
                known = known_function(value)
                known = known if sent else Known(known.value, owner=known.owner)
                self._call(known, [], None, NOWHERE)
            return
        if issubclass(kind, type):
            if self.is_users(qualified(value)[0]):
                self._float(Known(ABSENT, cls=value), whole)
        elif self.is_users(qualified(kind)[0]):
            self._float(Known(value), whole)
            if depth:
                for held in list(attributes(value).values())[:50]:
                    self.float(held, whole=whole, depth=depth - 1, sent=sent)
        elif depth:
            if kind is imported("functools", "partial"):
                self.float(value.func, whole=True, sent=sent)
            for held in contents(value, 20):
                self.float(held, whole=whole, depth=depth - 1, sent=sent)

    def any_method(self, cls: type, beginning: str, at: Place) -> None:
        """Take note that methods of a class may be called whose name begins so."""
        self._float(Known(ABSENT, cls=cls), False)
        for base in mro_of(cls):
            if not self.is_users(qualified(base)[0]):
                continue
            for name, held in list(namespace_of(base).items()):
                if type(name) is str and name.startswith(beginning) and name[:2] != "__":
                    self._may_be_called(f"{home_of(base)}.{name}", held, at)

    def _may_be_called(self, root: str, held: Any, at: Place) -> None:
        function = held.__func__ if type(held) in (staticmethod, classmethod) else held
        if type(function) is FunctionType:
            code = function.__code__
            for _, _, line in code.co_lines():
                self.place("dispatched", root, Place(code.co_filename, line or 0))
        elif kind_of(function) != "mock":
            return
        self.attributes.setdefault(root.rpartition(".")[2], at)

    def _float(self, known: Known, whole: bool) -> None:
        key = id(class_of(known))
        before = self._floating.get(key)
        if before is None or (whole and not before[1]):
            self._floating[key] = (known, whole)

    # --- what the walk does

    def _over(self) -> bool:
        raise NotImplementedError

    def _call(self, called: Known, args: list[Any], named: Any, at: Place) -> None:
        raise NotImplementedError

    def _property(self, getter: Known, args: list[Known | None]) -> Known | None:
        raise NotImplementedError

    def read(self, value: Known, at: Place, *, step: str | None = None) -> None:
        """Note that the code does something with the whole of a value."""
        raise NotImplementedError
