"""The function behind a task, its parameters, and where it stands."""

from __future__ import annotations

import functools
import inspect
import os
import types
from typing import Any

from workerstate.fingerprint.classes import attributes_of, name_of


def function_of(task: Any) -> types.FunctionType | None:
    """Give the function that a task runs: of a partial, a method, a wrapper, a callable object."""
    for _ in range(20):
        if type(task) is types.FunctionType:
            return task
        inside = attributes_of(task)
        if type(task) is functools.partial:
            task = task.func
        elif type(task) is types.MethodType:
            task = task.__func__
        elif "__wrapped__" in inside:  # functools.lru_cache and its like
            task = inside["__wrapped__"]
        else:
            task = inspect.getattr_static(type(task), "__call__", None)
    return None


def sent_function(task: Any) -> types.FunctionType | None:
    """Give the function that is sent as such: a task that is one, or a partial of one."""
    while type(task) is functools.partial:
        task = task.func
    return task if type(task) is types.FunctionType else None


def parameter_names(task: Any) -> list[str]:
    """Give the names of a task's parameters by position, as far as they are known."""
    if type(task) is functools.partial:
        return parameter_names(task.func)[len(task.args) :]
    if type(task) is types.MethodType:
        return parameter_names(task.__func__)[1:]
    if type(task) is not types.FunctionType:
        return []
    return list(task.__code__.co_varnames[: task.__code__.co_argcount])


def title(task: Any) -> str:
    """Name a task: ``module:function`` where it is one."""
    kind = type(task)
    if kind is types.FunctionType:
        return f"{task.__module__}:{task.__qualname__}"
    if kind is types.BuiltinFunctionType:
        return f"builtin {task.__qualname__}"
    if issubclass(kind, type):
        return f"class {name_of(task)}"
    function = function_of(task)
    if function is None:
        return f"object of {name_of(kind)}"
    bound = "method" if kind is types.MethodType else name_of(kind)
    return f"{bound} {function.__module__}:{function.__qualname__}"


def place(task: Any) -> str | None:
    """Give ``path:line`` of a task's function."""
    function = function_of(task)
    if function is None:
        return None
    path = function.__code__.co_filename
    near = os.path.relpath(path) if os.path.isabs(path) else path
    shown = path if near.startswith("..") else near
    return f"{shown}:{function.__code__.co_firstlineno}"
