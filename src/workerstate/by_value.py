"""Pickles by value, with cloudpickle, what workers can't find by its name.

Where workers have the program's main module, only what has no name there goes by value: lambdas,
functions inside others, what is bound under the guard. Such functions read and set the globals of
the worker's main module, and bring those that it lacks.
"""

from __future__ import annotations

import io
import sys
from types import CellType, FunctionType

import cloudpickle

from workerstate.mainmodule import MAIN
from workerstate.program import live_globals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any

    from workerstate.mainmodule import Shared


def dumps(value: object, shared: Shared | None = None, beside: Any = None) -> bytes:
    """Pickle by value.

    Args:
        value: what to pickle.
        shared: the main module, where workers have it too.
        beside: pickle's ``buffer_callback``.

    Raises:
        Exception: what cloudpickle raises.
    """
    if shared is None:
        data: bytes = cloudpickle.dumps(value, 5, buffer_callback=beside)
        return data
    file = io.BytesIO()
    Pickler(shared, file, 5, buffer_callback=beside).dump(value)
    return file.getvalue()


class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Sends by name what workers have in their main module.

    Args:
        shared: that module.
        rest: cloudpickle's.
    """

    def __init__(self, shared: Shared, *rest: Any, **named: Any) -> None:
        super().__init__(*rest, **named)
        self._shared = shared

    def reducer_override(self, obj: Any) -> Any:
        """Say how a function or class is sent; the rest as cloudpickle does."""
        is_function = type(obj) is FunctionType
        if is_function or isinstance(obj, type):
            if getattr(obj, "__module__", None) in MAIN and self._shared.holds(obj):
                return NotImplemented
            if is_function and obj.__globals__ is self._shared.space:
                return self._of_function(obj)
        return super().reducer_override(obj)

    def _of_function(self, function: FunctionType) -> Any:
        code = function.__code__
        state = (
            function.__defaults__,
            function.__kwdefaults__,
            dict(function.__dict__),
            _annotations(function),
            [_content(cell) for cell in function.__closure__ or ()],
            self._shared.extras(code),
        )
        made = (code, len(code.co_freevars), function.__name__, function.__qualname__)
        return make_function, made, state, None, None, fill_function


def _annotations(function: FunctionType) -> dict[str, Any]:
    try:
        return dict(function.__annotations__)
    except Exception:  # evaluated late (PEP 649), and naming what is not there
        return {}


def _content(cell: CellType) -> tuple[Any, ...]:
    try:
        return (cell.cell_contents,)
    except ValueError:  # empty yet
        return ()


def make_function(code: CodeType, cells: int, name: str, qualified: str) -> FunctionType:
    """Make a function of its code, with the globals of this process's main module."""
    space = live_globals(vars(sys.modules["__main__"]))
    function = FunctionType(code, space, name, None, tuple(CellType() for _ in range(cells)))
    function.__qualname__ = qualified
    return function


def fill_function(function: FunctionType, state: tuple[Any, ...]) -> None:
    """Give it the rest, which may refer to itself."""
    function.__defaults__, function.__kwdefaults__, held, annotations, cells, extras = state
    function.__dict__.update(held)
    function.__annotations__ = annotations
    for cell, content in zip(function.__closure__ or (), cells, strict=True):
        if content:
            cell.cell_contents = content[0]
    function.__globals__.update(extras)
