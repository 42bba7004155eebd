"""Modules that a task imports when it is called: the import statements inside its functions."""

from __future__ import annotations

import dis
import types
from collections.abc import Iterator
from importlib.util import resolve_name
from typing import Any

from workerstate.fingerprint.classes import ModuleType
from workerstate.observe.reads import global_names
from workerstate.program import user_modules

MOST_FUNCTIONS = 300


def late_imports(functions: list[types.FunctionType]) -> dict[str, str]:
    """Give the modules that the functions, and the program's own that they call, import inside.

    Each with the function that does. Which lines a call gets to is not known; names that lead
    nowhere yet are left out.
    """
    found: dict[str, str] = {}
    own = user_modules()
    todo = list(functions)
    done: set[int] = set()
    while todo and len(done) < MOST_FUNCTIONS:
        function = todo.pop()
        if id(function.__code__) in done:
            continue
        done.add(id(function.__code__))
        for code in _codes(function.__code__):
            for name in _imported(code, function.__globals__):
                found.setdefault(name, function.__qualname__)
            todo += [each for each in _named(code, function.__globals__) if each.__module__ in own]
    return found


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _imported(code: types.CodeType, namespace: dict[str, Any]) -> Iterator[str]:
    """Give the modules of the import statements; the level is two instructions before each."""
    before: list[Any] = [0, 0]
    for instruction in dis.get_instructions(code):
        if instruction.opname == "IMPORT_NAME":
            level = before[-2] if isinstance(before[-2], int) else 0
            try:
                yield resolve_name("." * level + instruction.argval, namespace.get("__package__"))
            except ImportError:
                pass
        before = [before[-1], instruction.argval]


def _named(code: types.CodeType, namespace: dict[str, Any]) -> Iterator[types.FunctionType]:
    """Give the functions that code names, by themselves or as attributes of a module."""
    for name in global_names(code):
        held = namespace.get(name)
        if type(held) is types.FunctionType:
            yield held
        elif issubclass(type(held), ModuleType):
            inside = ModuleType.__dict__["__dict__"].__get__(held)
            for attribute in code.co_names:
                if type(inside.get(attribute)) is types.FunctionType:
                    yield inside[attribute]
