"""Each backend's own pickler, as it is made for a task."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from workerstate.errors import BackendUnavailableError
from workerstate.values import Value

# Protocol 5 lets large buffers be counted without a copy. multiprocessing writes 4 before Python
# 3.14: the same parts and references, a few bytes more or less.
PROTOCOL = 5
_LOKY = {"loky": "loky", "joblib": "joblib.externals.loky"}
MAPPED_FROM = 1 << 20  # bytes; joblib's max_nbytes="1M"
BACKENDS = ("multiprocessing", "loky", "joblib")


class Backend(Value):
    """How a backend sends tasks: its pickler, and what its workers have imported anyway."""

    name: str
    pickler: str
    make: Callable[[Any], Any]
    baseline: tuple[str, ...]
    runs_main: bool


def backend(name: str) -> Backend:
    """Give how that backend sends tasks.

    Raises:
        BackendUnavailableError: its library is not installed.
    """
    if name == "multiprocessing":
        from multiprocessing.reduction import ForkingPickler

        base: tuple[str, ...] = (
            "multiprocessing.spawn",
            "multiprocessing.pool",
            "multiprocessing.queues",
        )
        return Backend(name, "pickle", lambda sink: ForkingPickler(sink, PROTOCOL), base, True)
    try:
        reduction = import_module(f"{_LOKY[name]}.backend.reduction")
    except ImportError as error:
        raise BackendUnavailableError(name, name) from error
    kind = reduction.get_loky_pickler()
    base = (f"{_LOKY[name]}.backend.popen_loky_posix", f"{_LOKY[name]}.process_executor")
    if name == "joblib":
        base = ("joblib.parallel", *base)
    if hasattr(kind, "reducer_override"):
        base = (*base, _home_of_cloudpickle(kind))
    says = "cloudpickle" if hasattr(kind, "reducer_override") else kind.__mro__[1].__module__
    reducers = _mapped_arrays if name == "joblib" else dict
    return Backend(name, says, lambda sink: kind(sink, reducers=reducers()), base, False)


def usual() -> list[str]:
    """Give the backends worth explaining here: multiprocessing, and joblib or loky if installed."""
    found = ["multiprocessing"]
    for name in ("joblib", "loky"):
        try:
            import_module(_LOKY[name])
        except ImportError:
            continue
        return [*found, name]
    return found


def _home_of_cloudpickle(kind: Any) -> str:
    homes = (base.__module__ for base in kind.__mro__ if "reducer_override" in vars(base))
    return str(next(homes))


def _mapped_arrays() -> Mapping[type, Callable[[Any], Any]]:
    """Give a reducer that stands for joblib's, without its files."""
    numpy: Any = sys.modules.get("numpy")
    return {} if numpy is None else {numpy.ndarray: _reduce_array}


def _reduce_array(array: Any) -> Any:
    if array.nbytes > MAPPED_FROM and not array.dtype.hasobject:
        return mapped, (array.nbytes,)
    return array.__reduce_ex__(PROTOCOL)


def mapped(size: int) -> None:
    """Stand, in a pickle that nobody reads, for an array that joblib puts into a file."""
