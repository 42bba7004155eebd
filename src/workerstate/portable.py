"""Pickles that workers can read which have no main module of the program's (loky's, dask's).

Plain pickle sends functions and classes of ``__main__`` by name. Where cloudpickle is there, as it
is with loky, a copy by value goes along for workers in which that name leads nowhere.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from workerstate.mainmodule import Shared

_BY_VALUE = ("cloudpickle", "joblib.externals.cloudpickle")
_always: list[bool] = []  # a pool of this process has workers without the program's main module
_first: list[bool] = []  # tasks of this worker come by value, so all else of the main module must


def is_by_value() -> bool:
    """Tell whether a copy by value goes along."""
    return bool(_always)


def always_by_value() -> None:
    """Have a copy by value go along from now on, though that means to import cloudpickle."""
    _always[:] = [True]


def by_value_first() -> None:
    """Have this worker read the copy by value, where there is one.

    A class that went by name would be another one than that of the tasks, which come by value.
    """
    _first[:] = [True]


def dumps(value: object, shared: Shared | None = None) -> bytes:
    """Pickle ``value``; what refers to the main module also by value, where that is possible.

    Args:
        value: what to pickle.
        shared: what those who read it have of the main module.

    Raises:
        Exception: what pickle raises where ``patches`` can't help either.
    """
    import pickle

    try:
        data = pickle.dumps(value, 4)
    except Exception:
        from workerstate import patches

        data = patches.dumps(value)
    copy = None
    if shared is not None:
        if not shared.has(data):
            from workerstate import by_value

            data = by_value.dumps(value, shared)
    elif b"__main__" in data:
        if _always:
            __import__("cloudpickle")
        for name in _BY_VALUE:
            cloudpickle: Any = sys.modules.get(name)
            if cloudpickle is not None:
                try:
                    copy = cloudpickle.dumps(value)
                    break
                except Exception:  # by name it can be sent, so by name it is
                    pass
    return pickle.dumps((data, copy), 4)


def loads(data: bytes) -> Any:
    """Read what ``dumps`` gave."""
    import pickle

    plain, copy = pickle.loads(data)
    if copy is not None and _first:
        plain, copy = copy, None
    try:
        return pickle.loads(plain)
    except AttributeError:
        if copy is None:
            raise
        return pickle.loads(copy)
