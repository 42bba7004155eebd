"""What the instructions for calls, imports, functions and returns tell the walker."""

from __future__ import annotations

import dis
from types import CodeType

from workerstate.audit.known import Known
from workerstate.audit.machine import NULL, Closure, Machine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# What a call has on the stack besides its arguments.
_EXTRA = 2 if "PUSH_NULL" in dis.opmap else 1
_SPREAD_ALWAYS_NAMED = "LOAD_FAST_BORROW" in dis.opmap
_FLAGS_IN_MAKE = "SET_FUNCTION_ATTRIBUTE" not in dis.opmap


def call(machine: Machine, argument: int | None, meaning: Any) -> None:
    """Follow a call, from Python 3.11 on."""
    _call(machine, (argument or 0) + _EXTRA, machine.named)
    machine.named = ()


def call_function(machine: Machine, argument: int | None, meaning: Any) -> None:
    """Follow a call of a function in Python 3.10."""
    _call(machine, (argument or 0) + 1, ())


def call_method(machine: Machine, argument: int | None, meaning: Any) -> None:
    """Follow a call of a method in Python 3.10."""
    _call(machine, (argument or 0) + 2, ())


def call_named(machine: Machine, argument: int | None, meaning: Any) -> None:
    """Follow a call whose named arguments are told by the stack."""
    names = machine.pop()
    _call(machine, (argument or 0) + _EXTRA, () if names is None else names.value)


def call_spread(machine: Machine, argument: int | None, meaning: Any) -> None:
    """Follow a call with ``*`` and ``**``."""
    size = 4 if _SPREAD_ALWAYS_NAMED else 2 + (_EXTRA - 1) + ((argument or 0) & 1)
    called, *rest = _without_null(machine, size)
    machine.consume(*rest)
    machine.push(machine.walker.call(called, [], None, machine.at))


def _call(machine: Machine, size: int, names: Any) -> None:
    values = _without_null(machine, size)
    if not values:
        machine.push(None)
        return
    called, *args = values
    if called is not None and called.value is super and not args:
        # It finds the class in a cell, and the object in the first parameter.
        first = machine.code.co_varnames[:1]
        args = [machine.known.get(name) for name in ("__class__", *first)]
    named = dict(zip(names, args[len(args) - len(names) :], strict=False))
    positional = args[: len(args) - len(named)]
    machine.push(machine.walker.call(called, positional, named, machine.at))


def _without_null(machine: Machine, size: int) -> list[Known | None]:
    values = [value for value in machine.take(size) if value is not NULL]
    return values or [None]


def names_of_call(machine: Machine, argument: int | None, meaning: Any) -> None:
    """Keep the names of the next call's last arguments."""
    machine.named = machine.code.co_consts[argument or 0]


def import_name(machine: Machine, argument: int | None, meaning: Any) -> None:
    """Follow an import inside a function."""
    level, names = machine.take(2)
    machine.push(machine.walker.imported(machine.space, meaning, names and names.value, level))


def import_from(machine: Machine, argument: int | None, meaning: Any) -> None:
    """Follow ``from module import name``."""
    module = machine.stack[-1] if machine.stack else None
    machine.push(machine.walker.attribute(module, meaning, machine.at))


def make_function(machine: Machine, argument: int | None, meaning: Any) -> None:
    """Follow the making of an inner function."""
    code = machine.pop()
    if not _is_code(code):
        code = machine.pop()  # before 3.11 its name came last
    flags = (argument or 0) if _FLAGS_IN_MAKE else 0
    machine.take(bin(flags & 15).count("1"))
    machine.push(_inner(machine, code))


def _is_code(known: Known | None) -> bool:
    return known is not None and type(known.value) is CodeType


def _inner(machine: Machine, code: Known | None) -> Known | None:
    """Give a function that the code makes: it is walked through where it is called."""
    if code is None or not _is_code(code):
        return None
    inner = Known(code.value, owner=None)
    inner.cls = Closure(machine.space, machine.known)  # type: ignore[assignment]
    return inner


def set_function_attribute(machine: Machine, argument: int | None, meaning: Any) -> None:
    """Follow what a new function gets."""
    function = machine.pop()
    machine.pop()
    machine.push(function)


def give_back(machine: Machine, argument: int | None, meaning: Any) -> None:
    """Keep what the function returns."""
    _returned(machine, machine.pop())


def give_back_constant(machine: Machine, argument: int | None, meaning: Any) -> None:
    """Keep a constant that the function returns."""
    _returned(machine, Known(meaning))


def _returned(machine: Machine, value: Known | None) -> None:
    if value is None or value is NULL or (value.path is None and value.value is None):
        return
    if machine.result is None:
        machine.result = value
        machine.result_at = machine.at
    elif machine.result.key() != value.key():
        machine.consume(value)


def raise_(machine: Machine, argument: int | None, meaning: Any) -> None:
    """Tell what is raised."""
    values = machine.take(argument or 0)
    if values:
        machine.walker.raised(values[0], machine.at)
