"""What a worker leaves that has died: tasks that it had not answered, and memory lent to it."""

from __future__ import annotations

from workerstate.engine.arena import WINDOW
from workerstate.engine.tasks import MOST_LOST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from workerstate.engine.dispatch import Dispatcher
    from workerstate.engine.tasks import Task
    from workerstate.engine.workers import Worker


def unwind(dispatcher: Dispatcher, worker: Worker) -> list[Task]:
    """Give all tasks that a dead worker has not answered, in their order. Under the lock."""
    windows = dispatcher.windows
    left = worker.tasks()
    for packet in worker.packets:
        if packet.grant >= 0:
            windows.note(packet.grant, WINDOW)
            windows.give_back(packet.grant)
    worker.packets.clear()
    kept = {task.data.window for task in left}
    for window in worker.windows - kept:
        windows.give_back(window)
    worker.windows.clear()
    dispatcher.retire(worker)
    return left


def lost(dispatcher: Dispatcher, tasks: list[Task]) -> list[Task]:
    """Put back tasks that a dead worker had not begun; give those it happened to too often."""
    again: list[Task] = []
    given_up: list[Task] = []
    for task in tasks:
        task.lost += 1
        (again if task.lost < MOST_LOST else given_up).append(task)
    dispatcher.put_back(again)
    return given_up


def divide(dispatcher: Dispatcher, task: Task) -> list[Task]:
    """Give the items of a chunk as tasks of their own: one of them has killed its worker."""
    assert task.job is not None
    job, items = task.job, range(task.start, task.start + task.size)
    dispatcher.release(task)
    return [dispatcher.chunk(job, item, 1) for item in items]
