"""Functions that were sent as their code, made again where they arrive.

They read and set the globals of their module that is there; so all those of a main module see what
an initializer has set. A global that has come before is set again only if it has changed since
where it comes from: what the worker has made of it stays.
"""

from __future__ import annotations

import marshal
import pickle
import sys
from types import CellType, FunctionType

from workerstate.program import live_globals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_came: dict[str, bytes | None] = {}  # globals that have come here, and what tells their value


def make_function(code: bytes, module: str, cells: int, name: str, qualified: str) -> FunctionType:
    """Make a function of its code, with the globals of its module in this process."""
    home = sys.modules.get(module) or __import__(module, fromlist=["_"])
    space = live_globals(vars(home))
    closure = tuple(CellType() for _ in range(cells))
    function = FunctionType(marshal.loads(code), space, name, None, closure)
    function.__qualname__ = qualified
    return function


def fill_function(function: FunctionType, state: tuple[Any, ...]) -> None:
    """Give it the rest, which may refer to itself."""
    function.__defaults__, function.__kwdefaults__, held, annotations, cells, extras, more = state
    function.__dict__.update(held)
    function.__annotations__ = annotations
    for cell, content in zip(function.__closure__ or (), cells, strict=True):
        if content:
            cell.cell_contents = content[0]
    for name, (sign, value, is_pickle) in extras.items():
        if sign is None or _came.get(name) != sign:
            _came[name] = sign
            function.__globals__[name] = pickle.loads(value) if is_pickle else value
    for module in more:
        __import__(module)


def make_cached(function: FunctionType, options: dict[str, Any]) -> Any:
    """Make what ``functools.lru_cache`` does."""
    from functools import lru_cache

    return lru_cache(**options)(function)
