"""Giving up tasks that nobody waits for any more: workers that run them are killed."""

from __future__ import annotations

import os
from concurrent.futures import CancelledError

from workerstate.engine import processes, recalling
from workerstate.engine.board import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from concurrent.futures import Future
    from typing import Any

    from workerstate.engine.dispatch import Dispatcher
    from workerstate.engine.pool import Pool
    from workerstate.engine.tasks import Task
    from workerstate.engine.workers import Packet, Worker


def abandon(pool: Pool, futures: Iterable[Future[Any]]) -> None:
    """Cancel tasks; those that have begun end with their workers, which are replaced.

    A task that waits in a worker behind one that goes on is run, and its result dropped.
    """
    _end_all(pool, {future for future in futures if not future.cancel()})


def _end_all(pool: Pool, futures: set[Future[Any]]) -> None:
    ended: list[Task] = []
    with pool.lock:
        busy = list(pool.tasks.busy)
        for worker in busy:
            if worker.pid:
                ended += _end(pool.tasks, worker, futures)
        if any(not worker.pid and _given_up(worker, futures) for worker in busy):
            # It is still being started.
            pool.receiver.at(monotonic() + 0.01, lambda: _end_all(pool, futures))
    for task in ended:
        task.fail(CancelledError())


def _given_up(worker: Worker, futures: set[Future[Any]]) -> list[tuple[Packet, Task]]:
    return [
        (packet, task)
        for packet in worker.packets
        for task in packet.tasks.values()
        if task.future in futures
    ]


def _runs(worker: Worker, futures: set[Future[Any]]) -> bool:
    tasks = worker.tasks()
    begun = worker.slot.cell.begun()[0]
    runs = [task for task in tasks if task.number == begun] or tasks[:1]  # it is about to begin
    return any(task.future in futures for task in runs)


def _end(dispatcher: Dispatcher, worker: Worker, futures: set[Future[Any]]) -> list[Task]:
    if not _runs(worker, futures):
        return []
    waiting = recalling.take_back(dispatcher, worker, 0.0)
    dropped = [task for task in waiting if task.future in futures]
    for task in dropped:
        dispatcher.release(task)
    recalling.give(dispatcher, [task for task in waiting if task.future not in futures])
    if not _runs(worker, futures):  # it has gone on just now
        return dropped
    given_up = _given_up(worker, futures)
    tasks = worker.tasks()
    worker.served = True  # its end is no fault of its own
    for packet, task in given_up:
        _drop(packet, task)
    for task in tasks:
        task.lost -= 1
    processes.kill(worker.pid)
    return dropped + [task for _, task in given_up]


def _drop(packet: Packet, task: Task) -> None:
    """Forget a task; what it referred to in shared memory is free when its worker has ended."""
    del packet.tasks[task.number]
    if task.data.fd >= 0:
        os.close(task.data.fd)
        task.data.fd = -1
