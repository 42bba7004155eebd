"""How Python functions are read, and kept for the next time: a program has many.

What is kept is found by id, and holds functions and code by weak references only, so that nothing
lives longer for having been looked at.
"""

from __future__ import annotations

from _weakref import ref

from workerstate.fingerprint.classes import plain_module
from workerstate.fingerprint.walk import Walk, is_scalar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from workerstate.fingerprint.texts import Fingerprint

MOST_KEPT = 5000


class KnownFunction:
    """The token of a function that is bound to no values but constants, and what it is good for.

    ``fingerprint`` is for the caller to keep.
    """

    __slots__ = ("_code", "_constants", "_function", "_ids", "fingerprint", "token")

    def __init__(self, function: Any, constants: list[object], token: bytes) -> None:
        self._function: Any = ref(function)
        self._code: Any = ref(function.__code__)
        self._constants = constants  # held, so that their ids stay theirs
        self._ids = list(map(id, constants))
        self.token = token
        self.fingerprint: Fingerprint | None = None

    def holds_for(self, function: Any, constants: list[object]) -> bool:
        """Tell whether ``function`` is the same one, with the same code and constants."""
        return (
            self._function() is function
            and self._code() is function.__code__
            and self._ids == list(map(id, constants))
        )


_functions: dict[int, KnownFunction] = {}
_codes: dict[int, tuple[Any, bytes]] = {}


def forget_functions() -> None:
    """Drop all that was kept."""
    _functions.clear()


def read_function(walk: Walk, value: Any) -> bytes:
    """Read a function: its name, its code, and the values that its code is bound to."""
    known = known_function(value)
    return _read(walk, value) if known is None else known.token


def known_function(value: Any) -> KnownFunction | None:
    """Give what is kept of a function; None if it is bound to something that may change."""
    if value.__closure__ or value.__dict__:
        return None
    constants = [*(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values()]
    known = _functions.get(id(value))
    if known is not None and known.holds_for(value, constants):
        return known
    if not all(map(is_scalar, constants)):
        return None

    if len(_functions) > MOST_KEPT:
        _functions.clear()
    known = _functions[id(value)] = KnownFunction(value, constants, _read(Walk(), value))
    return known


def _read(walk: Walk, value: Any) -> bytes:
    cells = []
    for cell in value.__closure__ or ():
        try:
            cells.append(cell.cell_contents)
        except ValueError:  # not filled yet
            cells.append("empty")
    code = read_code(walk, value.__code__)
    name = walk.named("name", plain_module(value.__module__), value.__qualname__)
    bound = (value.__defaults__, value.__kwdefaults__, cells, value.__dict__)
    return walk.made("function", [code, name, *[walk.token(held or None) for held in bound]])


def read_code(walk: Walk, value: Any) -> bytes:
    """Read a code object: what it does, not where its source stands."""
    known = _codes.get(id(value))
    if known is not None and known[0]() is value:
        return known[1]
    token = walk.several(
        "code", value.co_code, value.co_consts, value.co_names, value.co_varnames, value.co_flags
    )
    if len(_codes) > MOST_KEPT:
        _codes.clear()
    _codes[id(value)] = (ref(value), token)
    return token
