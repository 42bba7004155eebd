"""Any executor, with tasks that bring what a spec declares."""

from __future__ import annotations

import itertools
from concurrent.futures import BrokenExecutor, Future
from concurrent.futures import Executor as BaseExecutor

from workerstate.told import Told
from workerstate.workerside import run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, TypeVar

    from workerstate.drift.change import Drift
    from workerstate.fleet import Fleet
    from workerstate.spec import WorkerSpec
    from workerstate.start_reports import StartReport
    from workerstate.workerside import Stamp

    T = TypeVar("T")


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
