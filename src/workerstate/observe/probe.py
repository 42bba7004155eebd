"""Looks, after a task, for what it left behind, at a price in proportion to the task.

A cheap look follows every task; what moved in it is read at once. The whole state is read after
the first tasks of each function, and else as often as its cost stays below half a percent of the
time spent in tasks.
"""

from __future__ import annotations

from time import perf_counter_ns

from workerstate.observe import state
from workerstate.observe.look import look, moved

TYPE_CHECKING = False
if TYPE_CHECKING:
    from workerstate.values import Difference

FIRST_TASKS = 2
SHARE = 200  # one part in so many of the tasks' time may go into whole readings
MOST_MOVES = 1000  # tasks of a worker that may move state before that too is read by time


class Probe:
    """What one worker has been seen to be after its last task."""

    def __init__(self) -> None:
        self._look: tuple[object, ...] = ()
        self._seen: dict[str, int] = {}
        self._unread = 0  # nanoseconds of tasks since the whole state was read
        self._since = 1  # the first task after that reading
        self._cost = 300_000
        self._moves = 0

    def start(self) -> None:
        """Take the present state as the one to compare with."""
        self._look = look()

    def after(self, function: str, number: int, took: int) -> tuple[int, list[Difference]]:
        """Say what changed, and since which task (in case not every one was looked at)."""
        self._unread += took
        seen = self._seen.get(function, 0)
        if seen < FIRST_TASKS:
            self._seen[function] = seen + 1
            return self._read_all(number)
        if self._unread > self._cost * SHARE:
            return self._read_all(number)
        now = look()
        if now == self._look or self._moves > MOST_MOVES:
            return number, []
        self._moves += 1
        found = state.changes(moved(self._look, now))
        self._look = now
        return number, found

    def _read_all(self, number: int) -> tuple[int, list[Difference]]:
        start = perf_counter_ns()
        found = state.changes()
        self._cost = (self._cost + perf_counter_ns() - start) // 2
        since, self._since = self._since, number + 1
        self._unread = 0
        self._look = look()
        return since, found
