"""Tasks taken back from a worker that has not begun them, for one that has nothing to do.

They were sent ahead, or many at a time, since those before them were short. Then one was not.
"""

from __future__ import annotations

import os
import socket
import time

from workerstate.engine import wire
from workerstate.engine.dispatch import LONG

TYPE_CHECKING = False
if TYPE_CHECKING:
    from workerstate.engine.dispatch import Dispatcher
    from workerstate.engine.tasks import Task
    from workerstate.engine.workers import Packet, Worker

AFTER = LONG / 4  # seconds that a task has run when those behind it are taken back


def worthwhile(dispatcher: Dispatcher) -> bool:
    """Tell whether a worker is idle while tasks wait at another. Under the lock."""
    return bool(dispatcher.idle) and any(
        len(worker.packets) > 1 or len(worker.packets[0].tasks) > 1
        for worker in dispatcher.busy
        if worker.packets
    )


def recall(dispatcher: Dispatcher) -> None:
    """Take back what waits behind long tasks, and give it to idle workers. Under the lock."""
    found: list[Task] = []
    for worker in list(dispatcher.busy):
        found += take_back(dispatcher, worker, AFTER)
    give(dispatcher, found)


def take_back(dispatcher: Dispatcher, worker: Worker, after: float) -> list[Task]:
    """Take what waits at a worker behind a task that has run for so many seconds. Under the lock.

    Of a worker that is to be killed all is taken: it might begin one of them before it is dead, and
    that one would be blamed.
    """
    if worker.inbox is None or not worker.packets:
        return []
    return _unread(dispatcher, worker) + _unbegun(worker, after)


def give(dispatcher: Dispatcher, found: list[Task]) -> None:
    """Have tasks that were taken back run by others. Under the lock."""
    dispatcher.put_back(found)
    if found:
        dispatcher.feed_idle(len(dispatcher.idle))


def _unread(dispatcher: Dispatcher, worker: Worker) -> list[Task]:
    """Read a packet that the worker has not: it is then as if it had not been sent.

    That is the first one, if the worker has read none yet. Its tasks may have been given up since
    it was sent, any of them or all.
    """
    if len(worker.packets) < 2 or worker.inbox is None:
        return []
    try:
        buffer = memoryview(bytearray(wire.BUFFER))
        size, fd = wire.receive(worker.inbox, buffer, socket.MSG_DONTWAIT)
    except OSError:  # the worker has
        return []
    if not size:
        return []
    if fd >= 0:
        os.close(fd)
    sent = {number for number, _ in wire.unpack_tasks(buffer[:size])[1]}
    packet = next((each for each in worker.packets if sent & each.tasks.keys()), None)
    if packet is None:
        return []
    worker.packets.remove(packet)
    if packet.grant >= 0:
        dispatcher.windows.give_back(packet.grant)
    return _taken(worker, packet, list(packet.tasks))


def _unbegun(worker: Worker, after: float) -> list[Task]:
    """Tell the worker where to leave its packet, then look what it has begun.

    If that is the very task at which it is to leave, it may have looked before or after it was
    told; then its answer says what it has left.
    """
    packet = worker.packets[0]
    cell = worker.slot.cell
    begun, since = cell.begun()
    if begun not in packet.tasks or time.monotonic() - since < after:
        return []
    numbers = list(packet.tasks)
    rest = numbers[numbers.index(begun) + 1 :]
    if not rest:
        return []
    cell.stop_at(rest[0])
    return _taken(worker, packet, rest) if cell.begun()[0] == begun else []


def _taken(worker: Worker, packet: Packet, numbers: list[int]) -> list[Task]:
    tasks = [packet.tasks.pop(number) for number in numbers]
    for task in tasks:
        worker.windows.discard(task.data.window)
    return tasks
