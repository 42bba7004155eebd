"""Tasks as the parent keeps them until they have ended."""

from __future__ import annotations

from concurrent.futures import CancelledError, InvalidStateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from typing import Any

    from workerstate.engine.mapping import Job
    from workerstate.engine.payload import Encoded

MOST_LOST = 3  # workers that may end before they begin a task that they were given


class Limits:
    """What a task may take.

    Args:
        timeout: seconds that it may run, or None. Then its worker is killed.
        retries: how often it is run again when its worker has died, or was killed for that.
    """

    __slots__ = ("retries", "timeout")

    def __init__(self, timeout: float | None = None, retries: int = 0) -> None:
        self.timeout = timeout
        self.retries = retries


NONE = Limits()


class Task:
    """One packet's worth of work: a call, or a chunk of a map.

    Attributes:
        number: what it is called in the packet that it was sent in last.
        future: of a call; a chunk tells its job.
        data: what is sent.
        name: of its function.
        call: the number of the call of the parent's that it belongs to.
        limits: what it may take.
        retries: how often it may still be run again.
        lost: how many workers have ended before they began it.
        job, start, size: of a chunk.
        late: it has been killed for its timeout.
        started: its future has been told that it runs; it stays so if it is run again.
    """

    __slots__ = (
        "call",
        "data",
        "future",
        "job",
        "late",
        "limits",
        "lost",
        "name",
        "number",
        "retries",
        "size",
        "start",
        "started",
    )

    def __init__(
        self,
        data: Encoded,
        name: Callable[..., Any] | str,
        call: int,
        limits: Limits,
        *,
        future: Future[Any] | None = None,
        job: Job | None = None,
        start: int = 0,
        size: int = 1,
    ) -> None:
        self.number = 0
        self.data = data
        self.name = name
        self.call = call
        self.limits = limits
        self.retries = limits.retries
        self.future = future
        self.job = job
        self.start = start
        self.size = size
        self.lost = 0
        self.late = self.started = False

    def starts(self) -> bool:
        """Mark it as running; False if it was cancelled."""
        if self.future is not None and not self.started:
            self.started = self.future.set_running_or_notify_cancel()
            return self.started
        return True

    def succeed(self, value: Any) -> None:
        """Give its result to who waits for it."""
        if self.job is not None:
            self.job.take(self, value)
        elif self.future is not None:
            try:
                self.future.set_result(value)
            except InvalidStateError:  # who waits for it has given up, and cancelled it
                pass

    def fail(self, error: BaseException) -> None:
        """Give its failure to who waits for it."""
        if self.job is not None:
            self.job.take_failure(self, error)
        elif self.future is not None and self.starts():  # else it was cancelled, and is told so
            try:
                self.future.set_exception(error)
            except InvalidStateError:  # it has an outcome
                pass

    def cancel(self) -> None:
        """Tell who waits for it that it won't be run."""
        if self.job is None and self.future is not None and self.future.cancel():
            self.future.set_running_or_notify_cancel()
        else:  # a chunk, or one that was sent before, and has come back
            self.fail(CancelledError())

    def said(self) -> str:
        """Name it: the module and the name of its function, and which item it is of a map."""
        text = function_name(self.name)
        return text if self.job is None else f"{text} (item {self.start})"


def function_name(fn: Any) -> str:
    """Give ``module.name`` of a function; of a partial or a bound method's, of what it calls."""
    if isinstance(fn, str):
        return fn
    fn = getattr(fn, "func", fn)
    module = getattr(fn, "__module__", None)
    name = getattr(fn, "__qualname__", None) or type(fn).__qualname__
    return f"{module}.{name}" if module else str(name)
