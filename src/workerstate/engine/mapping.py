"""``map``: chunks that are cut when a worker is free for one, as big as its tasks are short.

Cutting late keeps the load even, which static chunks don't: the first chunk has one item, and
those after it as many as take TARGET seconds, but never more than a worker's share of what is left.
"""

from __future__ import annotations

import time
from threading import Condition

from workerstate.engine.futures import LOOK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from workerstate.engine.tasks import Limits, Task

TARGET = 0.004  # seconds


class Job:
    """One call of ``map``.

    Args:
        fn: called with each item.
        items: one per task; tuples of arguments if ``spread``.
        spread: whether an item is to be spread.
        mark: the per-task part of a spec, or None.
        call: the number of the call.
        limits: what each task may take.
        size: of chunks, where that is given.

    Attributes:
        each: seconds per task, as far as known.
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        items: list[Any],
        spread: bool,
        mark: Any,
        call: int,
        limits: Limits,
        size: int | None,
    ) -> None:
        self.fn = fn
        self.items = items
        self.spread = spread
        self.mark = mark
        self.call = call
        self.limits = limits
        self.size = size
        self.next = 0
        self.each = 0.0
        self._parts: dict[int, tuple[list[Any], dict[int, BaseException]]] = {}
        self._arrived = Condition()
        self._broken: BaseException | None = None

    @property
    def over(self) -> bool:
        """Whether all chunks have been cut."""
        return self.next >= len(self.items)

    def cut(self, workers: int) -> tuple[int, int]:
        """Give the start and the size of the next chunk."""
        start = self.next
        left = len(self.items) - start
        if self.size is not None:
            size = self.size
        elif not self.each:
            size = 1
        else:
            size = max(1, min(left // (2 * workers), int(TARGET / self.each)))
        size = min(size, left)
        self.next += size
        return start, size

    def payload(self, start: int, size: int) -> tuple[Any, ...]:
        """Give what a worker is sent for a chunk."""
        items = self.items[start : start + size]
        return self.fn, items, self.spread, self.mark, start

    def learn(self, size: int, seconds: float) -> None:
        """Take in how long a chunk of that size took."""
        each = seconds / size
        self.each = each if not self.each else 0.7 * self.each + 0.3 * each

    def take(self, task: Task, value: Any) -> None:
        """Take what a chunk gave."""
        values, failed = value
        with self._arrived:
            self._parts[task.start] = values, failed
            self._arrived.notify_all()

    def take_failure(self, task: Task, error: BaseException) -> None:
        """Take the failure of a whole chunk."""
        self.take(task, ([None] * task.size, dict.fromkeys(range(task.size), error)))

    def drop(self) -> None:
        """Cut no more chunks: nobody waits for them."""
        self.next = len(self.items)

    def fail(self, error: BaseException) -> None:
        """Give this error for all that has not come: the pool is broken."""
        with self._arrived:
            self._broken = error
            self.drop()
            self._arrived.notify_all()

    def cancel(self) -> None:
        """Tell who waits that the rest won't be run."""
        from concurrent.futures import CancelledError

        self.fail(CancelledError())

    def results(self, timeout: float | None) -> Iterator[Any]:
        """Give the results in their order, as they come.

        Raises:
            TimeoutError: the next one has not come ``timeout`` seconds after the call of ``map``.
            BaseException: what a task raised, in its place.
        """
        end = None if timeout is None else time.monotonic() + timeout
        return self._results(end)

    def _results(self, end: float | None) -> Iterator[Any]:
        at = 0
        try:
            while at < len(self.items):
                values, failed = self._part(at, end)
                at += len(values)
                # What has been given is not held: who takes it may want its memory back.
                values.reverse()
                for index in range(len(values)):
                    if index in failed:
                        raise failed[index]
                    yield values.pop()
        finally:
            self.drop()

    def _part(self, at: int, end: float | None) -> tuple[list[Any], dict[int, BaseException]]:
        with self._arrived:
            while at not in self._parts:
                if self._broken is not None:
                    raise self._broken
                left = None if end is None else end - time.monotonic()
                if left is not None and left <= 0:
                    from concurrent.futures import TimeoutError as NotYetError

                    raise NotYetError
                self._arrived.wait(LOOK if left is None else min(left, LOOK))
            return self._parts.pop(at)
