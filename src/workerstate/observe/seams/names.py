"""The user's function in what a backend is given to call: its name, and how often it is called.

Libraries wrap the function, send it as an argument of a function of their own, or put several
calls into one task. The tables say where it is; nothing of it is called.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# Wrappers that libraries put around the user's function: type name -> attribute that holds it.
WRAPPERS = {
    "partial": "func",
    "SafeFunction": "func",
    "_TracebackCapturingWrapper": "func",
    "_FuncWrapper": "function",
    "CloudpickledObjectWrapper": "_obj",
    "CloudpickledCallable": "_obj",
}
# Functions of libraries that call the user's function for each item of a chunk, by name and the
# library's: how function and chunk are found in the task's arguments.
_CHUNKERS = {
    ("mapstar", "multiprocessing"): lambda args: (args[0][0], len(args[0][1])),
    ("mapstar", "billiard"): lambda args: (args[0][0], len(args[0][1])),
    ("starmapstar", "multiprocessing"): lambda args: (args[0][0], len(args[0][1])),
    ("starmapstar", "billiard"): lambda args: (args[0][0], len(args[0][1])),
    ("process_chunk", "pebble"): lambda args: (args[0], len(args[1])),
    ("run_items", "workerstate"): lambda args: (args[1][0], len(args[1][1])),
}
_MOST_KNOWN = 256

_Function = type(lambda: None)
_known: dict[Any, str] = {}


def said(called: Any, args: Any) -> tuple[str, int]:
    """Give the user's function by name, and how many calls of it the task makes."""
    if type(called) is _Function:
        label = _known.get(called)
        if label is not None:
            return label, 1
        if _home(called) not in _CHUNKERS:
            label = name(called)
            if len(_known) < _MOST_KNOWN and "<locals>" not in label:
                _known[called] = label
            return label, 1
    called, count = _unpack(called, args)
    batch = _batch(called)
    if batch:
        return ", ".join(dict.fromkeys(name(unwrap(item[0])) for item in batch[:8])), len(batch)
    return name(unwrap(called)), count


def functions(called: Any, args: Any) -> list[Any]:
    """Give the user's functions themselves."""
    called, _ = _unpack(called, args)
    batch = _batch(unwrap(called))
    return [unwrap(item[0]) for item in batch[:8]] if batch else [unwrap(called)]


def calls(called: Any, args: Any, kwargs: Any) -> tuple[int, Callable[[int], Any]] | None:
    """Give how many calls a chunk makes, and what gives each: (function, arguments, named ones).

    None where the task is one call.
    """
    if is_futures_chunk(called) and args:
        items = args[0]
        return len(items), lambda index: (called.args[0], tuple(items[index]), {})
    name, package = _home(called)
    if (name, package) in _CHUNKERS and package == "multiprocessing":
        function, items = args[0]
        if name == "mapstar":
            return len(items), lambda index: (function, (items[index],), {})
        return len(items), lambda index: (function, tuple(items[index]), {})
    batch = _batch(called)
    return (len(batch), batch.__getitem__) if batch else None


def carrier(called: Any, args: Any) -> str | None:
    """Say what drags an object along with each task: a bound method or a partial."""
    called, _ = _unpack(called, args)
    if is_futures_chunk(called):
        called = called.args[0]
    if type(called).__name__ == "partial":
        return "partial"
    owner = getattr(unwrap(called), "__self__", None)
    if owner is None or type(owner).__name__ == "module":
        return None
    return f"bound method of {type(owner).__qualname__}"


def name(function: Any) -> str:
    """Say a function as ``module:qualname``."""
    qualname = getattr(function, "__qualname__", None)
    module = getattr(function, "__module__", None)
    if not isinstance(qualname, str):
        cls = type(function)
        qualname, module = cls.__qualname__, cls.__module__
    if module == "__mp_main__":
        module = "__main__"
    return f"{module or '?'}:{qualname}"


def unwrap(function: Any) -> Any:
    """Find the user's function below what libraries put around it."""
    for _ in range(8):
        attribute = WRAPPERS.get(type(function).__name__)
        inside = getattr(function, attribute, None) if attribute else None
        if inside is None:
            break
        # concurrent.futures sends partial(_process_chunk, function).
        function = function.args[0] if is_futures_chunk(function) else inside
    return function


def _home(function: Any) -> tuple[str, str]:
    """Give a function's name and the package it is of."""
    module = str(getattr(function, "__module__", ""))
    return str(getattr(function, "__name__", "")), module.partition(".")[0]


def is_futures_chunk(called: Any) -> bool:
    """Tell whether a task is a chunk of concurrent.futures' or loky's map."""
    if type(called).__name__ != "partial" or not called.args:
        return False
    function, package = _home(called.func)
    return function == "_process_chunk" and package in ("concurrent", "loky", "joblib")


def is_pool_chunk(called: Any) -> bool:
    """Tell whether a task is a chunk of multiprocessing's or billiard's Pool."""
    name, package = _home(called)
    return (name, package) in _CHUNKERS and name in ("mapstar", "starmapstar")


def is_pebble_chunk(called: Any) -> bool:
    """Tell whether a task is a chunk of pebble's map."""
    return _home(called) == ("process_chunk", "pebble")


def _unpack(called: Any, args: Any) -> tuple[Any, int]:
    chunker = _CHUNKERS.get(_home(called))
    if chunker is not None and args:
        return chunker(args)
    if is_futures_chunk(called) and args:
        return called, len(args[0])
    return called, 1


def _batch(called: Any) -> list[Any]:
    """Give the (function, args, kwargs) of joblib's batches."""
    owner = batch_owner(called)
    return owner.items if owner is not None else []


def batch_owner(called: Any) -> Any:
    """Give joblib's batch, whose ``items`` are calls, if the task is one."""
    called = unwrap(called)
    if type(called).__name__ != "BatchedCalls":
        return None
    return called if isinstance(getattr(called, "items", None), list) else None
