"""Tasks that may run for so long, and no longer."""

from __future__ import annotations

from workerstate.engine import processes, recalling
from workerstate.engine.board import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from workerstate.engine.pool import Pool
    from workerstate.engine.tasks import Task
    from workerstate.engine.workers import Worker

AGAIN = 0.01  # seconds until a task is looked at again whose worker is still starting


class Deadlines:
    """Kills the workers of tasks that run longer than they may.

    The time counts from when the worker began the task, which it has written on the board.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def watch(self, worker: Worker, task: Task) -> None:
        """See to it that a task is over in time that has just been sent. Under the lock."""
        assert task.limits.timeout is not None
        self._look_in(task.limits.timeout, worker, task.number)

    def _look_in(self, seconds: float, worker: Worker, number: int) -> None:
        # Without the task: what it gave would live until then.
        receiver = self._pool.receiver
        receiver.at(monotonic() + seconds, lambda: self._look(worker, number))

    def _look(self, worker: Worker, number: int) -> None:
        with self._pool.lock:
            found = [each.tasks[number] for each in worker.packets if number in each.tasks]
            if not found:
                return
            (task,) = found
            begun, since = worker.slot.cell.begun()
            left = since + (task.limits.timeout or 0.0) - monotonic()
            if begun != number or not worker.pid:  # nobody has told yet which process it is
                self._look_in(AGAIN, worker, number)
            elif left > 0:
                self._look_in(left, worker, number)
            else:
                tasks = self._pool.tasks
                recalling.give(tasks, recalling.take_back(tasks, worker, 0.0))
                if worker.slot.cell.begun()[0] != number:  # it has ended just now
                    return
                task.late = True
                processes.kill(worker.pid)
