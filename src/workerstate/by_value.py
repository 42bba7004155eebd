"""Pickles by value, with cloudpickle, what workers can't find by its name.

That is what has no name (lambdas, functions inside others), and what a worker's main module lacks.
Functions of the main module bring the globals that it lacks where they arrive (``arriving``).
"""

from __future__ import annotations

import functools
import io
import marshal
import pickle
import sys
from contextvars import ContextVar
from types import CellType, FunctionType, ModuleType

import cloudpickle

from workerstate.arriving import fill_function, make_cached, make_function
from workerstate.mainmodule import named_in, names_in
from workerstate.program import MAIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import CodeType
    from typing import Any

    from workerstate.mainmodule import Shared

_Cached = type(functools.lru_cache(abs))


def dumps(value: object, shared: Shared | None = None, beside: Any = None) -> bytes:
    """Pickle by value.

    Args:
        value: what to pickle.
        shared: what the other side has of the main module; None: functions bring copies of all
            that they read, and keep those to themselves.
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
    """Sends by name what the other side has in its main module.

    Args:
        shared: that module.
        rest: cloudpickle's.
    """

    def __init__(self, shared: Shared, *rest: Any, **named: Any) -> None:
        super().__init__(*rest, **named)
        self._shared = shared

    def reducer_override(self, obj: Any) -> Any:
        """Say how a function or class is sent; the rest as cloudpickle does."""
        kind = type(obj)
        if kind is FunctionType or kind is _Cached or issubclass(kind, type):
            if getattr(obj, "__module__", None) in MAIN and self._shared.holds(obj):
                return NotImplemented
            if kind is FunctionType and obj.__globals__ is self._shared.space:
                return self._of_function(obj)
            if kind is _Cached and obj.__module__ in MAIN:
                return make_cached, (obj.__wrapped__, obj.cache_parameters())
        if kind is ContextVar:
            from workerstate.facets.contextvars import reduced

            return reduced(obj)
        if kind.__module__ == "loguru._logger":
            from workerstate.records import loguru_bridge

            return loguru_bridge.reduced(obj)
        return super().reducer_override(obj)

    def _of_function(self, function: FunctionType) -> Any:
        code = function.__code__
        extras = self._shared.extras(code)
        cells = [_content(cell) for cell in function.__closure__ or ()]
        held = [*extras.values(), *(content[0] for content in cells if content)]
        state = (
            function.__defaults__,
            function.__kwdefaults__,
            dict(function.__dict__),
            _annotations(function),
            cells,
            {name: _signed(value) for name, value in extras.items()},
            _submodules(code, held),
        )
        name, free = function.__name__, len(code.co_freevars)
        made = (marshal.dumps(code), "__main__", free, name, function.__qualname__)
        return make_function, made, state, None, None, fill_function


def _content(cell: CellType) -> tuple[Any, ...]:
    try:
        return (cell.cell_contents,)
    except ValueError:  # empty yet
        return ()


def _annotations(function: FunctionType) -> dict[str, Any]:
    try:
        return dict(function.__annotations__)
    except Exception:  # evaluated late (PEP 649), and naming what is not there
        return {}


def _signed(value: object) -> tuple[bytes | None, Any, bool]:
    """Give a global with what tells whether it is the one that was sent before, or None.

    Its pickle stands for it where it can be read alone, which is told too; then who has it already
    need not read it. Arrays go beside the pickle, and are not read either before they are used.
    """
    from _blake2 import blake2b

    if type(value) is FunctionType or issubclass(type(value), (type, ModuleType)):
        return None, value, False
    buffers: list[pickle.PickleBuffer] = []
    try:
        data = pickle.dumps(value, 5, buffer_callback=buffers.append)
    except Exception:  # it goes by value
        return None, value, False
    said = blake2b(data, digest_size=16)
    for buffer in buffers:
        said.update(buffer.raw())
    sign: bytes = said.digest()
    if buffers or named_in(data):  # the main module's classes may go by value
        return sign, value, False
    return sign, pickle.PickleBuffer(data), True


def _submodules(code: CodeType, values: Iterable[object]) -> list[str]:
    """Give the modules that code finds as attributes of the packages it names."""
    names = names_in(code)
    found = []
    for value in values:
        if isinstance(value, ModuleType) and hasattr(value, "__path__"):
            inside = value.__name__ + "."
            for module in list(sys.modules):
                if module.startswith(inside) and names.issuperset(module[len(inside) :].split(".")):
                    found.append(module)
    return found
