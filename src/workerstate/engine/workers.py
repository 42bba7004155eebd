"""Workers as the parent sees them."""

from __future__ import annotations

import socket
from collections import deque

from workerstate.engine.board import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from workerstate.engine import wire
    from workerstate.engine.board import Cell
    from workerstate.engine.tasks import Task


class Packet:
    """Tasks that were sent together.

    Attributes:
        grant: the window for their results, or -1.
        tasks: those not yet answered, by number, in their order.
        job: the map that it is a chunk of, or None.
        size: how many items of that are in it.
    """

    __slots__ = ("grant", "job", "size", "tasks")

    def __init__(self, grant: int, tasks: list[Task]) -> None:
        self.grant = grant
        self.tasks = {task.number: task for task in tasks}
        self.job = tasks[0].job
        self.size = tasks[0].size


class Worker:
    """One process that takes packets of tasks.

    Attributes:
        slot: where it belongs.
        end: the parent's end of its socket.
        inbox: the worker's own end, through which packets that it has not read can be taken back;
            None for a worker of one task.
        pid: its process id, once that is known.
        packets: those not yet answered, the oldest first.
        windows: those of the arena that tasks it was sent refer to.
        call: the call that it has served, where each has fresh workers.
        single: it runs one task, and ends.
        gone: it takes no more tasks.
        ready: it has told that it has started.
        served: it has begun a task.
        since: when it was started, in seconds of ``monotonic``.
        process: what the source keeps of it.
    """

    __slots__ = (
        "call",
        "end",
        "gone",
        "inbox",
        "packets",
        "pid",
        "process",
        "ready",
        "served",
        "since",
        "single",
        "slot",
        "windows",
    )

    def __init__(
        self,
        slot: Slot,
        end: wire.Link,
        *,
        inbox: wire.Link | None = None,
        pid: int = 0,
        single: bool = False,
        process: Any = None,
    ) -> None:
        self.slot = slot
        self.end = end
        self.inbox = inbox
        self.pid = pid
        self.single = single
        self.process = process
        self.packets: deque[Packet] = deque()
        self.windows: set[int] = set()
        self.since = monotonic()
        self.call: int | None = None
        self.gone = self.ready = self.served = False

    def tasks(self) -> list[Task]:
        """Give the tasks that it has not answered, in their order."""
        return [task for packet in self.packets for task in packet.tasks.values()]

    def close(self) -> None:
        """End the connection, whoever else may have it open; the worker ends when it sees that."""
        try:
            self.end.shutdown(socket.SHUT_RDWR)
        except OSError:  # the worker has gone
            pass
        self.end.close()
        if self.inbox is not None:
            self.inbox.close()


class Slot:
    """A place for one running worker.

    Attributes:
        number: the number of the worker in it.
        running: who has the place; a worker of one task until its result has come.
        ready: those that wait to take it.
        generation: how many times it has been filled anew.
        failures: how many workers in a row have ended without an answer.
        keeper: what the source keeps of it.
        cell: where its running worker says what it is doing.
    """

    __slots__ = ("cell", "failures", "generation", "keeper", "number", "ready", "running")

    def __init__(self, number: int, cell: Cell) -> None:
        self.number = number
        self.cell = cell
        self.running: Worker | None = None
        self.ready: deque[Worker] = deque()
        self.generation = 0
        self.failures = 0
        self.keeper: Any = None
