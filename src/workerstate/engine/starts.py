"""Starts that take long: they are told of, and ended where the program has set them a limit.

An initializer that waits for a service that is down, a resource that is being downloaded: without
this, the tasks would wait with it, in silence.
"""

from __future__ import annotations

import warnings

from workerstate.engine.board import monotonic
from workerstate.errors import SlowStartWarning, WorkerStartError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from workerstate.engine.pool import Pool

SLOW = 30.0  # seconds after which a start is told of
_EARLY = "its interpreter, the import of the main module, or reading the spec"


class Starts:
    """Looks after the workers of a pool, and the template, that have not started yet.

    Args:
        pool: whose they are.
        limit: seconds that a start may take, or None.
    """

    def __init__(self, pool: Pool, limit: float | None) -> None:
        self._pool = pool
        self._limit = limit
        self._is_due = False
        self._told: set[int] = set()  # process ids

    def watch(self) -> None:
        """Look later whether what is started now has started. Under the pool's lock."""
        if not self._is_due:
            self._is_due = True
            wait = SLOW if self._limit is None else min(self._limit, SLOW)
            self._pool.receiver.at(monotonic() + wait, self._look)

    def _look(self) -> None:
        now = monotonic()
        with self._pool.lock:
            self._is_due = False
            starting = list(self._pool.source.starting())
            if starting:
                self._is_due = True
                patience = [each for each in (SLOW, self._limit) if each is not None]
                next_ones = [since + each for _, _, since in starting for each in patience]
                when = min([each for each in next_ones if each > now], default=now + SLOW)
                self._pool.receiver.at(when, self._look)
        step = self._pool.source.step
        found = [(step(number, pid), number, pid, now - since) for number, pid, since in starting]
        for each in sorted(found, key=lambda each: not each[0]):  # what says more goes first
            self._judge(*each)

    def _judge(self, step: str, number: int, pid: int, seconds: float) -> None:
        step = step or _EARLY
        if self._limit is not None and seconds >= self._limit:
            reason = f"this was not over after {self._limit:g} s (start_timeout)"
            self._pool.break_with(WorkerStartError(number, pid, step, reason, "", None))
        elif seconds >= SLOW and pid not in self._told:
            self._told.add(pid)
            warnings.warn(SlowStartWarning(number, pid, step, int(seconds)), stacklevel=2)
