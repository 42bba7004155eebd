"""joblib: each task of every Parallel call in a block is bound, on whatever backend it runs.

    with spec.joblib(n_jobs=4):
        Parallel()(delayed(f)(x) for x in items)     # and scikit-learn's n_jobs

joblib's own ``initializer`` is left out at ``n_jobs=1`` and under threading, is lost after an
error, and makes loky start its workers anew; so here a worker starts with its first bound task.
With ``start_method`` or ``clean`` they run in workers of ours: see ``joblib_engine``.
"""

from __future__ import annotations

import os
from _thread import RLock, get_ident
from contextlib import contextmanager, nullcontext
from typing import NamedTuple

from workerstate.errors import BackendUnavailableError, SpecError
from workerstate.fleet import Fleet
from workerstate.spec_checks import options
from workerstate.workerside import Bound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from workerstate.backends.joblib_engine.backend import Workers
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
_NAME = "workerstate"  # of the backend, in joblib
_ENGINE = ("start_method", "clean", "timeout", "retries", "start_timeout")
_lock = RLock()


class _Block(NamedTuple):
    """An open block: of which process and thread, and where its tasks run."""

    pid: int
    thread: int
    fleet: Fleet
    workers: Workers | None


_open: list[_Block] = []  # innermost last
_original: list[Callable[..., Any]] = []


@contextmanager
def block(spec: WorkerSpec, **given: Any) -> Iterator[None]:
    """Bind the tasks of this thread's Parallel calls; the options are parallel_config's own.

    With ``start_method``, ``clean``, ``timeout``, ``retries`` or ``start_timeout`` (as ``Executor``
    takes them), or ``backend="workerstate"``, they run in workers of ours, which end with the
    block; with one job too. Threads that have no block of their own go by the one that is open, if
    it is the only one; joblib's configuration is each thread's own.

    Raises:
        BackendUnavailableError: joblib is not installed.
        SpecError: joblib has no such option.
    """
    options("joblib", given, (*_OPTIONS, *_ENGINE))
    joblib = _joblib()
    register()
    reused = given.get("clean") != "task"
    workers = _workers(spec, given)
    fleet = Fleet(spec, backend="joblib", own=False, reused=reused)
    entry = _Block(os.getpid(), get_ident(), fleet, workers)
    _enter(joblib.Parallel, entry)
    try:
        with joblib.parallel_config(**given) if given else nullcontext():
            yield
    finally:
        _leave(joblib.Parallel, entry)
        if workers is not None:
            workers.close()
        fleet.drain()
        fleet.close()
        fleet.drift.warn()


def register() -> None:
    """Make the backend ``workerstate`` known to joblib: ``Parallel(backend="workerstate")``.

    ``joblib.parallel_config("workerstate", ...)`` and ``Parallel`` take ``start_method``, ``clean``
    and ``retries`` of ``Executor``, the former ``spec`` and ``timeout`` too. Its workers end when
    nothing refers to the backend any more: the configuration, or the ``Parallel`` object.

    Raises:
        BackendUnavailableError: joblib is not installed.
    """
    _joblib().register_parallel_backend(_NAME, make_backend)


def _joblib() -> Any:
    try:
        import joblib
    except ImportError as error:
        raise BackendUnavailableError("joblib", "joblib") from error
    return joblib


def _workers(spec: WorkerSpec, given: dict[str, Any]) -> Workers | None:
    """Give where tasks run if that is in workers of ours; ``given`` then names the backend."""
    engine = {name: given.pop(name) for name in _ENGINE if name in given}
    if not engine and given.get("backend") != _NAME:
        return None
    if given.setdefault("backend", _NAME) != _NAME:
        raise SpecError(
            f"joblib(backend={given['backend']!r}) with {next(iter(engine))}=: that is for "
            "workers of ours; leave the backend out"
        )
    if "idle_worker_timeout" in given:
        raise SpecError("joblib(idle_worker_timeout=...): these workers end with the block")
    from workerstate.backends.joblib_engine.backend import Workers

    return Workers(spec, engine, is_block=True)


def make_backend(nesting_level: int | None = None, **given: Any) -> Any:
    """Make a backend for joblib: of the block, where there is one."""
    from workerstate.backends.joblib_engine.backend import Workers, WorkerstateBackend
    from workerstate.spec import WorkerSpec

    threads = given.pop("inner_max_num_threads", None)
    block = _mine()
    if block is not None and block.workers is not None and "spec" not in given:
        return WorkerstateBackend(nesting_level, threads, workers=block.workers, given=given)
    spec = given.pop("spec", None) or (WorkerSpec() if block is None else block.fleet.spec)
    return WorkerstateBackend(nesting_level, threads, workers=Workers(spec, given))


def _enter(parallel: Any, entry: _Block) -> None:
    with _lock:
        if not _open:
            _original.append(parallel.__call__)
            parallel.__call__ = _call
        _open.append(entry)


def _leave(parallel: Any, entry: _Block) -> None:
    with _lock:
        _open.remove(entry)
        if not _open:
            parallel.__call__ = _original.pop()


def _mine() -> _Block | None:
    with _lock:
        # In a process that was forked inside a block, tasks are not of this block.
        here = [block for block in _open if block.pid == os.getpid()]
        own = [block for block in here if block.thread == get_ident()]
        return own[-1] if own else here[0] if len(here) == 1 else None


def _call(self: Any, iterable: Iterable[Any]) -> Any:
    """Stand in for ``Parallel.__call__``."""
    original = _original[-1]
    block = _mine()
    # What an earlier call of this object left there, because it was aborted, would be run now and
    # its results be given as this call's.
    left = getattr(self, "_ready_batches", None)
    if left is not None and not getattr(self, "_calling", False):
        self._ready_batches = type(left)()
    if block is not None:
        one_by_one = getattr(self._backend, "one_by_one", None)
        if one_by_one is None:
            iterable = _bound(block.fleet, iterable)
        elif self._backend.effective_n_jobs(self.n_jobs) == 1:
            iterable = _sized(one_by_one(self, iterable), iterable)
    return original(self, iterable)


def _bound(fleet: Fleet, iterable: Any) -> Any:
    stamp = fleet.stamp(fleet.spec.next_call(), 0)
    tasks = (
        (Bound(stamp._replace(key=index), fn), args, kwargs)
        for index, (fn, args, kwargs) in enumerate(iterable)
    )
    return _sized(tasks, iterable)


def _sized(tasks: Iterator[Any], iterable: Any) -> Any:
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
