"""Functions of the main module, pickled by value once for all their tasks.

Pickling by value takes twenty times as long as by name. So what it gave is kept for the tasks that
follow, as long as all that the function refers to is the same: constants, modules, what is found by
its name in one, and functions of which that holds too. Where anything else is named, a list or an
object of a class of one's own, it may have changed unseen, and the function is pickled each time.
"""

from __future__ import annotations

import sys
import weakref
from pickle import loads
from types import BuiltinFunctionType, FunctionType, ModuleType

from workerstate.mainmodule import named_in
from workerstate.program import MAIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any

    from workerstate.mainmodule import Shared

_MISSING: Any = object()
_CONSTANTS = frozenset({bool, bytes, complex, float, int, str, type(None), type(...)})
_MOST = 200  # names that a function may refer to; looking at more would cost as much as pickling


class Sent:
    """A function that goes along as the bytes of its pickle.

    Args:
        data: what cloudpickle gave.
    """

    __slots__ = ("data", "names")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.names = named_in(data)

    def __reduce__(self) -> Any:
        return loads, (self.data,)


class Functions:
    """Keeps the pickle of the function that was sent last.

    Args:
        shared: what workers have of the main module; its functions go by name.
    """

    def __init__(self, shared: Shared | None = None) -> None:
        self._shared = shared
        self._last: tuple[_Uses, Sent | None] | None = None
        self._named: Any = None  # the function that was found last to go by name

    def find(self, fn: object) -> Sent | None:
        """Give how a function of the main module is sent; None if it is to be pickled anew.

        Raises:
            Exception: what pickle raises.
        """
        if type(fn) is not FunctionType or fn.__module__ not in MAIN:
            return None
        shared = self._shared
        if shared is not None and (fn is self._named or shared.holds(fn)):
            self._named = fn
            return None
        last = self._last
        if last is not None and last[0].are_of(fn) and (last[1] is None or last[0].hold()):
            return last[1]
        from workerstate import by_value  # now: what it imports would count as a change

        uses = _Uses(fn)
        sent = Sent(by_value.dumps(fn, shared)) if uses.complete else None
        self._last = uses, sent
        return sent


class _Uses:
    """All that a function's pickle depends on.

    Attributes:
        complete: all of it is known, so that ``hold`` can tell whether it is still the same.
    """

    def __init__(self, fn: FunctionType) -> None:
        self._fn = weakref.ref(fn)
        self._functions: list[tuple[FunctionType, CodeType, Any]] = []
        self._cells: list[tuple[Any, Any]] = []
        self._names: list[tuple[dict[str, Any], str, Any]] = []
        self._modules = len(sys.modules)  # cloudpickle sends some that were imported along
        self.complete = not _sent_by_value() and self._function(fn)
        if not self.complete:  # it may refer to anything, which must not live on for this
            self._functions, self._cells, self._names = [], [], []

    def are_of(self, fn: FunctionType) -> bool:
        """Tell whether that is the function."""
        return self._fn() is fn

    def hold(self) -> bool:
        """Tell whether all of it is as it was."""
        if len(sys.modules) != self._modules:
            return False
        for space, name, value in self._names:
            if space.get(name, _MISSING) is not value:
                return False
        for cell, value in self._cells:
            if cell.cell_contents is not value:
                return False
        for fn, code, defaults in self._functions:
            if fn.__code__ is not code or fn.__defaults__ is not defaults or fn.__dict__:
                return False
        return True

    def _function(self, fn: FunctionType) -> bool:
        if any(known is fn for known, _, _ in self._functions):
            return True
        self._functions.append((fn, fn.__code__, fn.__defaults__))
        if fn.__dict__ or fn.__kwdefaults__ or not self._value(fn.__defaults__):
            return False
        if not all(map(self._annotation, fn.__annotations__.values())):
            return False
        return self._closure(fn) and self._globals(fn, fn.__code__)

    def _closure(self, fn: FunctionType) -> bool:
        for cell in fn.__closure__ or ():
            try:
                value = cell.cell_contents
            except ValueError:  # empty yet
                return False
            self._cells.append((cell, value))
            if not self._value(value):
                return False
        return True

    def _globals(self, fn: FunctionType, code: CodeType) -> bool:
        """Note each name that may be a global's; those of attributes do no harm."""
        space = fn.__globals__
        for name in code.co_names:
            value = space.get(name, _MISSING)
            self._names.append((space, name, value))
            if len(self._names) > _MOST or not (value is _MISSING or self._value(value)):
                return False
        inner = [each for each in code.co_consts if type(each) is type(code)]
        return all(self._globals(fn, each) for each in inner)

    def _value(self, value: Any) -> bool:
        if type(value) in _CONSTANTS:
            return True
        if type(value) in (tuple, frozenset):
            return all(type(each) in _CONSTANTS for each in value)
        if type(value) is FunctionType and value.__module__ in MAIN:
            return self._function(value)
        return self._annotation(value)

    def _annotation(self, value: Any) -> bool:
        """Tell whether that is a constant, or is found by its name in a module."""
        if type(value) in _CONSTANTS:
            return True
        if type(value) is ModuleType:
            return self._named(sys.modules, value.__name__, value)
        if type(value) in (FunctionType, BuiltinFunctionType) or isinstance(value, type):
            module = sys.modules.get(str(value.__module__))
            if module is not None and value.__qualname__ == value.__name__:
                return self._named(vars(module), value.__name__, value)
        return False

    def _named(self, space: dict[str, Any], name: str, value: Any) -> bool:
        if (space is sys.modules and name in MAIN) or space.get("__name__") in MAIN:
            return False
        self._names.append((space, name, value))
        return space.get(name) is value


def _sent_by_value() -> bool:
    """Tell whether the program has cloudpickle send whole modules by value."""
    cloudpickle: Any = sys.modules.get("cloudpickle")
    return cloudpickle is not None and bool(cloudpickle.list_registry_pickle_by_value())
