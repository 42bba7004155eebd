"""One executor over every start method, honouring the same declaration on each."""

from __future__ import annotations

import itertools
from concurrent.futures import BrokenExecutor, Future
from concurrent.futures import Executor as BaseExecutor

from workerstate.errors import BackendUnavailableError, SpecError, nearest
from workerstate.fleet import Fleet, Initializer
from workerstate.spec import WorkerSpec
from workerstate.workerside import run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, TypeVar

    from workerstate.drift.change import Drift
    from workerstate.errors import WorkerStartError
    from workerstate.start_reports import StartReport
    from workerstate.workerside import Stamp

    T = TypeVar("T")

PROCESSES = ("fork", "spawn", "forkserver", "loky")
START_METHODS = (*PROCESSES, "thread", "inline")
_BACKENDS = {"loky": "loky", "thread": "threads", "inline": "inline"}
_TO_COME = "the template engine is not there yet"


class Declared(BaseExecutor):
    """Any executor, with tasks that bring what ``spec`` declares.

    Args:
        spec: what its workers start with; one that has not when its first task comes does so then.
        pool: the executor, whose own workers may have been there before.
        fleet: what the parent knows of them.
    """

    def __init__(self, spec: WorkerSpec, pool: Any, fleet: Fleet) -> None:
        self.spec = spec
        self._pool = pool
        self._fleet = fleet
        self._told = Told(fleet)
        self._closed = False

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Run ``fn(*args, **kwargs)`` in a worker that has the parent's carried state of now.

        The future raises WorkerStartError if the worker could not start as declared.
        """
        stamp = self._fleet.stamp(self.spec.next_call(), 0)
        return self._submit(run, stamp, fn, args, kwargs)

    def map(
        self,
        fn: Callable[..., T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Iterator[T]:
        """Give ``fn`` of each item, in order; one call of the spec, whose tasks go by their index.

        As ``concurrent.futures.Executor.map``; carried state is that of now for all of them.
        """
        if chunksize < 1:
            raise ValueError("chunksize must be >= 1.")
        stamp = self._fleet.stamp(self.spec.next_call(), 0)
        chunks = _chunks(zip(*iterables), chunksize)  # noqa: B905  # as the base class does
        tasks = ((stamp._replace(key=start), fn, items) for start, items in chunks)
        if buffersize is None:
            futures = [self._submit(run_chunk, *task) for task in tasks]
            return _results(futures, iter(()), timeout)
        first = itertools.islice(tasks, max(1, buffersize // chunksize))
        futures = [self._submit(run_chunk, *task) for task in first]
        return _results(futures, (self._submit(run_chunk, *task) for task in tasks), timeout)

    def drifts(self) -> list[Drift]:
        """Give what the workers told up to now of changes that tasks left behind in them."""
        return self._fleet.drift.all()

    def starts(self) -> list[StartReport]:
        """Give what the workers told about their start, by number; in-process ones tell nothing."""
        return self._fleet.reports()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more tasks, and end the workers when they have finished.

        With ``wait`` every record that they logged has been handled when this returns, and their
        resources are closed.
        """
        if self._closed and not wait:
            return
        self._closed = True
        self._shut(wait, cancel_futures)
        if wait:
            self._fleet.drain()
            self._fleet.close()
            self._told.warn()

    def _shut(self, wait: bool, cancel: bool) -> None:
        self._pool.shutdown(wait=wait, **({"cancel_futures": True} if cancel else {}))

    def _submit(self, *task: Any) -> Future[Any]:
        if self._closed:
            raise RuntimeError("cannot schedule new futures after shutdown")
        try:
            future: Future[Any] = self._pool.submit(*task)
        except BrokenExecutor as error:
            failure = self._told.explain(error)
            if failure is error or failure is None:
                raise
            raise failure  # noqa: B904  # its cause is the worker's own error
        self._told.watch(future)
        return future


class Executor(Declared):
    """Runs tasks in workers that start as ``spec`` declares; a ``concurrent.futures.Executor``.

    Tasks, results, log records, random numbers and failures are the same for each start method.
    ``thread`` and ``inline`` run tasks in this process: what belongs to a whole process is then the
    parent's own, what ``spec.set`` gives of it is put back at the end, and the global generators
    (``random``, ``numpy.random``) can't be a thread's own, so only ``workerstate.rng()`` is seeded
    under ``thread``.

    Args:
        max_workers: how many workers; as many as the processor has cores if not given.
        spec: what they start with.
        start_method: ``fork``, ``spawn``, ``forkserver``, ``loky``, ``thread`` or ``inline``;
            multiprocessing's default if not given.

    Raises:
        SpecError: no such start method, or number of workers.
        BackendUnavailableError: loky is not installed.
    """

    def __init__(
        self,
        max_workers: int | None = None,
        *,
        spec: WorkerSpec | None = None,
        start_method: str | None = None,
        clean: str = "never",
    ) -> None:
        self.start_method = _check_method(start_method, clean)
        self.max_workers = _check_size(max_workers, self.start_method)
        spec = spec if spec is not None else WorkerSpec()
        backend = _BACKENDS.get(self.start_method, "futures")
        fleet = Fleet(spec, backend=backend, size=self.max_workers)
        pool = _make_pool(self.start_method, self.max_workers, Initializer(fleet))
        super().__init__(spec, pool, fleet)

    def _shut(self, wait: bool, cancel: bool) -> None:
        if self.start_method == "loky":
            self._pool.shutdown(wait=wait, kill_workers=cancel)
        else:
            super()._shut(wait, cancel)


class Told:
    """Why a pool broke, asked once: a worker that could not start, or what the pool itself says."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._asked = False
        self._failure: WorkerStartError | None = None
        self._drift = fleet.drift if fleet.spec.drift != "ignore" else None

    def warn(self) -> None:
        """Warn of what tasks have left behind in their workers."""
        if self._drift is not None:
            self._drift.warn()

    def failure(self) -> WorkerStartError | None:
        """Give why a worker could not start, if that is what broke the pool."""
        if not self._asked:
            self._failure = self._fleet.failure()
            self._asked = True
        return self._failure

    def explain(self, error: BaseException | None) -> BaseException | None:
        """Give the error to show in the place of the pool's."""
        if not isinstance(error, BrokenExecutor):
            return error
        failure = self.failure()
        if failure is None:
            return error
        if failure.__cause__ is None:  # the worker could tell none
            failure.__cause__ = error
        return failure

    def watch(self, future: Any) -> None:
        """Have a pool's future say why a worker could not start.

        It stays the pool's own, so that cancelling, waiting and its state are the pool's matter.
        """
        kind = type(future)
        told = _kinds.get(kind)
        if told is None:
            told = _kinds[kind] = type(kind.__name__, (_ToldFuture, kind), {})
        future._told = self
        future.__class__ = told


class _ToldFuture:
    """What is laid over the class of a pool's futures.

    It asks when the result is asked for: the pool's thread, which sets it, must not be held up.
    """

    _told: Told

    def result(self, timeout: float | None = None) -> Any:
        try:
            return super().result(timeout)  # type: ignore[misc]
        except BrokenExecutor as error:
            failure = self._told.explain(error)
            if failure is error or failure is None:
                raise
            raise failure  # noqa: B904  # its cause is the worker's own error
        finally:
            self._told.warn()

    def exception(self, timeout: float | None = None) -> BaseException | None:
        error = super().exception(timeout)  # type: ignore[misc]
        self._told.warn()
        return self._told.explain(error)


_kinds: dict[type, type] = {}


def run_chunk(stamp: Stamp, fn: Callable[..., Any], items: list[tuple[Any, ...]]) -> list[Any]:
    """Run one task per item, in a worker; each goes by its own index."""
    start = stamp.key
    assert isinstance(start, int)
    return [run(stamp._replace(key=start + at), fn, item, {}) for at, item in enumerate(items)]


def _chunks(items: Iterator[Any], size: int) -> Iterator[tuple[int, list[Any]]]:
    for start in itertools.count(0, size):
        chunk = list(itertools.islice(items, size))
        if not chunk:
            return
        yield start, chunk


def _results(
    futures: list[Future[Any]], more: Iterator[Future[Any]], timeout: float | None
) -> Iterator[Any]:
    import time
    from collections import deque

    end = None if timeout is None else time.monotonic() + timeout
    waiting = deque(futures)

    def give() -> Iterator[Any]:
        try:
            while waiting:
                left = None if end is None else end - time.monotonic()
                results = waiting.popleft().result(left)
                waiting.extend(itertools.islice(more, 1))
                yield from results
        finally:
            for future in waiting:
                future.cancel()

    return give()


def _check_method(start_method: str | None, clean: str) -> str:
    if clean != "never":
        raise SpecError(f"clean={clean!r}: {_TO_COME}; only clean='never' is")
    if start_method == "template":
        raise SpecError(f"start_method='template': {_TO_COME}; use 'forkserver', say")
    if start_method is None:
        import multiprocessing

        return multiprocessing.get_start_method()
    if start_method not in START_METHODS:
        near = nearest(str(start_method), list(START_METHODS))
        hint = f"; did you mean {near!r}?" if near else f"; known: {', '.join(START_METHODS)}"
        raise SpecError(f"start_method={start_method!r} is not known{hint}")
    return start_method


def _check_size(size: int | None, method: str) -> int:
    if size is None:
        import os

        cores = getattr(os, "process_cpu_count", os.cpu_count)()
        return 1 if method == "inline" else cores or 1
    if not isinstance(size, int) or size < 1:
        raise SpecError(f"max_workers={size!r}: a whole number from 1 on")
    return size


def _make_pool(method: str, size: int, initializer: Initializer) -> Any:
    if method == "thread":
        from concurrent.futures import ThreadPoolExecutor

        return ThreadPoolExecutor(size, thread_name_prefix="workerstate")
    if method == "inline":
        return _Inline()
    if method == "loky":
        return _loky().ProcessPoolExecutor(size, initializer=initializer)
    import multiprocessing

    from workerstate.replacing import ReplacingPool

    context = multiprocessing.get_context(method)
    return ReplacingPool(size, mp_context=context, initializer=initializer)


def _loky() -> Any:
    try:
        import loky
    except ImportError:
        try:
            from joblib.externals import loky
        except ImportError as error:
            raise BackendUnavailableError("loky", "loky") from error
    return loky


class _Inline:
    """Runs each task when it is submitted."""

    def submit(self, fn: Callable[..., Any], /, *args: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        try:
            future.set_result(fn(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Nothing runs any more when a submit has returned."""
