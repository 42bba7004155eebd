"""What would differ if the task's function lived in the main module, or in a module of its own."""

from __future__ import annotations

import types
from collections.abc import Iterator

from workerstate.explaining.picklers import Backend
from workerstate.explaining.tracing import Tracer, watch
from workerstate.explaining.values import Part
from workerstate.report.words import size

_MOST = 6


def differences(
    backend: Backend, function: types.FunctionType, tracer: Tracer, seconds: float
) -> tuple[str, ...]:
    """Say what would be otherwise if ``function`` lived elsewhere; nothing where it can't."""
    home = function.__module__
    if "." in function.__qualname__ or "<" in function.__qualname__:
        # A method goes as its object does; a lambda or local function has no home of its own.
        return ()
    if home == "__main__":
        return tuple(_in_a_module(backend, function, tracer))
    return tuple(_in_main(backend, function, tracer, seconds))


def _in_a_module(backend: Backend, function: types.FunctionType, tracer: Tracer) -> Iterator[str]:
    if backend.runs_main:
        yield (
            "in a module of its own: found by importing that module, also from a notebook or "
            "python -c; now only where the main module is a file that workers run again"
        )
        return
    captured = _globals(tracer.parts)
    yield (
        "in a module of its own: it would go by reference, and the worker would import that "
        "module at unpickle"
    )
    if captured:
        yield (
            f"its globals ({_listed(captured)}) would be as that import leaves them; now each "
            "task brings the parent's values as of submit"
        )
    yield "what it sets in globals would stay for later tasks; now it is gone after the batch"


def _in_main(
    backend: Backend, function: types.FunctionType, tracer: Tracer, seconds: float
) -> Iterator[str]:
    name = function.__qualname__
    if backend.runs_main:
        yield (
            f"in __main__: by reference too, as __main__:{name}; spawn and forkserver workers run "
            "the script again to find it, and where that is no file (notebook, python -c) they "
            f"fail: Can't get attribute {name!r} on <module '__main__'>"
        )
        return
    there, overdue = watch(backend, (_moved(function), (), {}), seconds)
    if overdue or there.refusals:
        because = overdue or "; ".join(f"{path}: {error}" for path, error in there.refusals[:2])
        yield f"in __main__: by value, and then it could not be sent ({because})"
        return
    captured = _globals(there.parts)
    brought = f" with its globals {_listed(captured)}" if captured else ""
    yield f"in __main__: by value, {size(there.sink.size)} each time{brought}"
    if not any(module == function.__module__ for module, _ in there.references):
        yield (
            f"the worker would not import {function.__module__}: what importing it does (logging, "
            "registration) would not happen there"
        )


def _moved(function: types.FunctionType) -> types.FunctionType:
    """Give the same function as if the main module had defined it."""
    moved = types.FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    moved.__kwdefaults__ = function.__kwdefaults__
    moved.__annotations__ = function.__annotations__
    moved.__module__ = "__main__"
    return moved


def _globals(parts: list[Part]) -> list[Part]:
    """Give the globals of the task's function that travel by value."""
    start = "task -> global "
    return [
        part
        for part in parts
        if part.path.startswith(start) and " -> " not in part.path[len(start) :]
        and part.by == "value"
    ]  # fmt: skip


def _listed(parts: list[Part]) -> str:
    heavy = sorted(parts, key=lambda part: -part.size)
    said = [f"{part.path.split(chr(39))[1]} ({size(part.size)})" for part in heavy[:_MOST]]
    more = f" and {len(heavy) - _MOST} more" if len(heavy) > _MOST else ""
    return ", ".join(said) + more
