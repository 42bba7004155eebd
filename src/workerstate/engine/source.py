"""What starts the workers of a pool: a template, or a start method of the standard library."""

from __future__ import annotations

from workerstate import mainmodule, portable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from workerstate.engine.pool import Pool
    from workerstate.engine.workers import Slot, Worker
    from workerstate.fleet import Fleet


class Source:
    """Starts and ends the workers of one pool.

    Args:
        fleet: what they start with.
        method: how they are started.
        single: each worker runs one task.
        standby: how many wait in a slot while one runs, where each runs one task.

    Attributes:
        shared: what its workers have of the main module.
        early: a worker must match what a task was submitted with before it can read the task.
    """

    def __init__(self, fleet: Fleet, method: str, *, single: bool, standby: int) -> None:
        self.single = single
        self.shared = mainmodule.shared_with(method)
        self.early = fleet.moves_imports
        self._fleet = fleet
        self._standby = standby if single else 0
        self._stopping = False
        portable.always_by_value()

    def open(self, pool: Pool) -> None:
        """Begin: have a worker started for each slot, which is handed to ``pool.places``."""
        raise NotImplementedError

    def start(self, slot: Slot) -> Worker | None:
        """Give a new worker for a slot; None if it is delivered later. Under the pool's lock."""
        raise NotImplementedError

    def settle(self, mark: Any) -> None:
        """Take in the settings that a task brings, for workers that are started from now on."""

    def learn(self, names: list[str]) -> None:
        """Take in which modules a task has imported."""

    def starting(self) -> Iterable[tuple[int, int, float]]:
        """Give what has not started yet: number, process id, since when (``monotonic``)."""
        raise NotImplementedError

    def step(self, number: int, pid: int) -> str:
        """Give what one that has not started was about to do last; empty if that is not known."""
        return self._fleet.step(number, pid)

    def stop(self, *, at_once: bool) -> None:
        """End all processes, and wait for their end; kill them if ``at_once``."""
        raise NotImplementedError
