"""The tasks of one ``Parallel`` call on our workers, as joblib waits for them.

joblib looks every 10 ms for results that a backend brings by itself; one that it must ask for them
can wake it at once. So it asks here, and whoever asks hears of any task of the call that fails.
"""

from __future__ import annotations

import itertools
from concurrent.futures import CancelledError, Future
from threading import Condition

from workerstate.backends.joblib_engine.batch import Batch
from workerstate.engine.tasks import function_name
from workerstate.workerside import Bound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from workerstate.backends.joblib_engine.executor import CallsExecutor


class Call:
    """One call of ``Parallel``.

    Args:
        executor: where it runs.
        number: of the call, among those of the spec.
        bound: whether its tasks must bring the spec's per-task part.
        alone: whether each task is sent by itself.
        pushed: whether joblib takes failures from the callback, and doesn't ask.

    Attributes:
        failure: what the first task has raised that failed.
        changed: held to look at these, and told of each task that ends.
    """

    def __init__(
        self, executor: CallsExecutor, number: int, *, bound: bool, alone: bool, pushed: bool
    ) -> None:
        self.executor = executor
        self.number = number
        self.alone = alone
        self.pushed = pushed
        self.failure: BaseException | None = None
        self.changed = Condition()
        # Without the birth: these workers have started.
        self._stamp = executor.stamp(number)._replace(birth=b"") if bound else None
        self._keys = itertools.count()
        self._running: set[Future[Any]] = set()
        self._over = False

    def submit(
        self, items: list[Any], nested: Any, callback: Callable[[Any], object] | None = None
    ) -> Job:
        """Send tasks; give what joblib asks for their results."""
        if self._stamp is not None:
            items = [self._bound(*item) for item in items]
        parts = [[item] for item in items] if self.alone else [items]
        futures = [
            self.executor.send(Batch(part, nested), call=self.number, name=_name(part))
            for part in parts
        ]
        self._running.update(futures)
        job = Job(self, futures, callback)
        for future in futures:
            future.add_done_callback(job.ended)
        return job

    def _bound(self, fn: Any, args: Any, kwargs: Any) -> tuple[Any, Any, Any]:
        assert self._stamp is not None
        return Bound(self._stamp._replace(key=next(self._keys)), fn), args, kwargs

    def ended(self, future: Future[Any]) -> bool:
        """Take in that a part has ended; tell whether the call goes on."""
        self._running.discard(future)
        if self._over:
            return False
        # Not the future's own exception(), which may have something to say in the user's thread.
        error = CancelledError() if future.cancelled() else Future.exception(future)
        if error is not None:
            self.fail(error)
        return error is None or self.pushed

    def fail(self, error: BaseException) -> None:
        """Have whoever waits for a result hear of this."""
        with self.changed:
            if self.failure is None:
                self.failure = error
            self.changed.notify_all()

    def outcome(self, job: Job, timeout: float | None) -> BaseException | None:
        """Wait for a job's end, or for any task's failure, which is given.

        Raises:
            TimeoutError: multiprocessing's, as joblib raises it.
        """
        with self.changed:
            if not self.changed.wait_for(lambda: job.done or self.failure is not None, timeout):
                from multiprocessing import TimeoutError as NotYetError

                raise NotYetError
        return self.failure

    def abort(self) -> None:
        """Give up all that has not ended: joblib waits for none of it any more."""
        self._over = True
        self.executor.abandon(list(self._running))


class Job:
    """The tasks of a batch of joblib's.

    Attributes:
        done: all have succeeded.
    """

    def __init__(
        self, call: Call, futures: list[Future[Any]], callback: Callable[[Any], object] | None
    ) -> None:
        self._futures = list(futures)
        self._call = call
        self._left = len(futures)
        self._callback = callback
        self.done = False

    def ended(self, future: Future[Any]) -> None:
        """Take in that a part has ended (the pool's thread, or the one that sent it)."""
        goes_on = self._call.ended(future)
        with self._call.changed:
            self._left -= 1
            if not goes_on:
                self._futures.clear()
            if self._left or not goes_on:
                return
        if self._callback is not None:
            try:
                self._callback(self)  # sends what is next
            except BaseException as error:  # in the pool's thread nobody would hear of it
                self._call.fail(error)
        # Only now: joblib looks how many are to come when it has this result.
        with self._call.changed:
            self.done = True
            self._call.changed.notify_all()

    def get(self, timeout: float | None = None) -> list[Any]:
        """Give the results, when they are there.

        Raises:
            TimeoutError: multiprocessing's, as joblib raises it.
            BaseException: what the first task of the call has raised that failed.
        """
        error = self._call.outcome(self, timeout)
        if error is None:
            return self.results()
        try:
            raise error
        finally:
            del error, self  # the error holds this frame

    def results(self) -> list[Any]:
        """Give the results; all have come."""
        # Futures hold what they call: without this only the garbage collector would end workers.
        futures, self._futures = self._futures, []
        return [value for future in futures for value in future.result()]


class Alone:
    """A function that is run in a worker while its caller waits: what joblib calls at one job."""

    def __init__(self, call: Call, fn: Callable[..., Any], nested: Any, patience: Any) -> None:
        self._call = call
        self._fn = fn
        self._nested = nested
        self._patience = patience

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run it as one task."""
        job = self._call.submit([(self._fn, args, kwargs)], self._nested)
        try:
            return job.get(self._patience)[0]
        except BaseException:
            self._call.abort()
            raise


def _name(items: list[Any]) -> str:
    fn = items[0][0]
    name = function_name(fn.fn if isinstance(fn, Bound) else fn)
    return name if len(items) == 1 else f"{name} (one of a batch of {len(items)} tasks)"
