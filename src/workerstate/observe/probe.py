"""Looks, after a task, for what it left behind, at a price in proportion to the task.

A cheap look follows every task: a tuple of counts and identities. The whole state is read when
the cheap look differs, after the first tasks of each function, and else as often as its cost
stays below half a percent of the time spent in tasks.
"""

from __future__ import annotations

import os
import sys
from _thread import _count as thread_count
from time import perf_counter_ns

from workerstate.observe import state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from workerstate.values import Difference

FIRST_TASKS = 3
SHARE = 200  # one part in so many of the tasks' time may go into whole readings


def look() -> tuple[object, ...]:
    """Read what is cheap to read and moves when common state moves (about 5 us)."""
    modules = sys.modules
    logging, warnings = modules.get("logging"), modules.get("warnings")
    try:
        cwd = os.getcwd()
    except OSError:
        cwd = ""
    if logging is not None:
        root = logging.root
        manager = root.manager
        loggers = manager.loggerDict
        logs: tuple[object, ...] = (
            tuple(map(id, root.handlers)),
            root.level,
            manager.disable,
            len(loggers),
            # Handlers of any logger that are alive.
            len(logging._handlerList),  # type: ignore[attr-defined]
        )
    else:
        logs = ()
    return (
        logs,
        len(warnings.filters) if warnings is not None else 0,
        hash(tuple(os.environ._data.items())),  # type: ignore[attr-defined]
        cwd,
        len(modules),
        len(sys.path),
        thread_count(),
        sys.getrecursionlimit(),
    )


class Probe:
    """What one worker has been seen to be after its last task."""

    def __init__(self) -> None:
        self._cheap: tuple[object, ...] = ()
        self._seen: dict[str, int] = {}
        self._unread = 0  # nanoseconds of tasks since the whole state was read
        self._since = 1  # the first task after that reading
        self._cost = 300_000

    def start(self) -> None:
        """Take the present state as the one to compare with."""
        self._cheap = look()

    def after(self, function: str, number: int, took: int) -> tuple[int, list[Difference]]:
        """Say what changed, and since which task (in case not every one was looked at)."""
        self._unread += took
        seen = self._seen.get(function, 0) + 1
        self._seen[function] = seen
        cheap = look()
        # What every task moves (a growing cache of modules, say) is not read after every one.
        share = SHARE if cheap == self._cheap else SHARE // 10
        if seen > FIRST_TASKS and self._unread < self._cost * share:
            return number, []
        start = perf_counter_ns()
        found = state.changes()
        self._cost = (self._cost + perf_counter_ns() - start) // 2
        since, self._since = self._since, number + 1
        self._unread = 0
        self._cheap = look()
        return since, found
