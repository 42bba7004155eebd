"""joblib: each task of every Parallel call in a block is bound, on whatever backend it runs.

    with spec.joblib(n_jobs=4):
        Parallel()(delayed(f)(x) for x in items)     # and scikit-learn's n_jobs

joblib's own ``initializer`` is left out at ``n_jobs=1`` and under threading, is lost after an
error, and makes loky start its workers anew; so here a worker starts with its first bound task.
"""

from __future__ import annotations

from _thread import RLock, get_ident
from contextlib import contextmanager

from workerstate.errors import BackendUnavailableError
from workerstate.fleet import Fleet
from workerstate.spec_checks import options
from workerstate.workerside import Bound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from workerstate.spec import WorkerSpec

_OPTIONS = (
    "backend",
    "n_jobs",
    "verbose",
    "temp_folder",
    "max_nbytes",
    "mmap_mode",
    "prefer",
    "require",
    "inner_max_num_threads",
    "idle_worker_timeout",
)
_lock = RLock()
_open: list[tuple[int, Fleet]] = []  # the thread and the fleet of each open block, innermost last
_original: list[Callable[..., Any]] = []


@contextmanager
def block(spec: WorkerSpec, **given: Any) -> Iterator[None]:
    """Bind the tasks of this thread's Parallel calls; the options are parallel_config's own.

    Threads that have no block of their own go by the one that is open, if it is the only one.

    Raises:
        BackendUnavailableError: joblib is not installed.
        SpecError: joblib has no such option.
    """
    options("joblib", given, _OPTIONS)
    try:
        import joblib
    except ImportError as error:
        raise BackendUnavailableError("joblib", "joblib") from error
    fleet = Fleet(spec, backend="joblib", own=False)
    entry = (get_ident(), fleet)
    config = joblib.parallel_config(**given) if given else None
    _enter(joblib.Parallel, entry)
    try:
        if config is None:
            yield
        else:
            with config:
                yield
    finally:
        _leave(joblib.Parallel, entry)
        fleet.drain()
        fleet.close()
        fleet.drift.warn()


def _enter(parallel: Any, entry: tuple[int, Fleet]) -> None:
    with _lock:
        if not _open:
            _original.append(parallel.__call__)
            parallel.__call__ = _call
        _open.append(entry)


def _leave(parallel: Any, entry: tuple[int, Fleet]) -> None:
    with _lock:
        _open.remove(entry)
        if not _open:
            parallel.__call__ = _original.pop()


def _mine() -> Fleet | None:
    with _lock:
        own = [fleet for thread, fleet in _open if thread == get_ident()]
        return own[-1] if own else _open[0][1] if len(_open) == 1 else None


def _call(self: Any, iterable: Iterable[Any]) -> Any:
    """Stand in for ``Parallel.__call__``."""
    original = _original[-1]
    fleet = _mine()
    # What an earlier call of this object left there, because it was aborted, would be run now and
    # its results be given as this call's.
    left = getattr(self, "_ready_batches", None)
    if left is not None and not getattr(self, "_calling", False):
        self._ready_batches = type(left)()
    return original(self, iterable if fleet is None else _bound(fleet, iterable))


def _bound(fleet: Fleet, iterable: Any) -> Any:
    stamp = fleet.stamp(fleet.spec.next_call(), 0)
    tasks = (
        (Bound(stamp._replace(key=index), fn), args, kwargs)
        for index, (fn, args, kwargs) in enumerate(iterable)
    )
    return _Sized(tasks, len(iterable)) if hasattr(iterable, "__len__") else tasks


class _Sized:
    """An iterator that still tells how many there are, as joblib's progress lines say it."""

    def __init__(self, tasks: Iterator[Any], size: int) -> None:
        self._tasks = tasks
        self._size = size

    def __iter__(self) -> Iterator[Any]:
        return self._tasks

    def __len__(self) -> int:
        return self._size
