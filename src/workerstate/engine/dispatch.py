"""Which task goes to which worker, and what happens when one answers or dies.

One lock guards all of it. A task is sent by the thread that submits it if a worker is idle, else by
the receiver's when one becomes so. Short tasks are sent many at a time, and one packet ahead; what
then waits behind a long one is taken back.
"""

from __future__ import annotations

import itertools
import os
from collections import deque
from threading import RLock

from workerstate.engine import wire
from workerstate.engine.arena import Windows
from workerstate.engine.early import Early
from workerstate.engine.functions import Functions
from workerstate.engine.payload import Encoded, encode
from workerstate.engine.tasks import Task, function_name
from workerstate.engine.workers import Packet, Worker
from workerstate.errors import why
from workerstate.pickling_errors import TaskPicklingError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from workerstate.engine.arena import Arena
    from workerstate.engine.mapping import Job
    from workerstate.mainmodule import Shared

PACKET = 0.002  # seconds of work in a packet
LONG = 0.02  # seconds from which no packet is sent ahead
MOST = 64  # tasks in a packet
_MASK = 0xFFFFFFFF
ROOM = wire.LONGEST - (32 << 10)  # bytes of tasks in a packet


class Dispatcher:
    """Gives tasks to workers.

    Args:
        arena: what is shared with the workers.
        workers: how many run at a time.
        renew: called with a worker that has served another call; gives a new one in its place.
        watch: called with a worker and a task that has a timeout, when it is sent.
        by_call: whether the tasks of each call have workers of their own.
        shared: what workers have of the main module.
        early: a task is read by a worker that matches what it was submitted with.
    """

    def __init__(
        self,
        arena: Arena,
        workers: int,
        renew: Callable[[Worker], Worker],
        watch: Callable[[Worker, Task], None],
        *,
        by_call: bool,
        shared: Shared | None = None,
        early: bool = False,
    ) -> None:
        self.lock = RLock()
        self.arena = arena
        self.windows = Windows(arena)
        self._functions = Functions(shared)
        self._shared = shared
        self._early = early
        self.workers = workers
        self.renew = renew
        self.watch = watch
        self.by_call = by_call
        self.pending: deque[Task | Job] = deque()
        self.idle: list[Worker] = []
        self.busy: set[Worker] = set()
        self._numbers = itertools.count(1)
        self._each = 0.0  # seconds per task, as far as known

    def encode(self, value: tuple[Any, ...], name: Any) -> Encoded:
        """Pickle what a task is: its function, and what that is called with.

        Raises:
            TaskPicklingError: names the function, and pickle's reason.
        """
        try:
            sent = self._functions.find(value[0])
            if sent is not None:
                value = (sent, *value[1:])
            names = 0 if sent is None else sent.names
            if self._early and value[3] is not None:
                value = (Early(*value[3][:2]), value)
            return encode(value, self.arena, self._lend, names, self._shared, self._regain)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            reason = why(error)
            raise TaskPicklingError(function_name(name), reason) from error

    def _lend(self, size: int) -> tuple[int, int]:
        with self.lock:
            window = self.windows.take()
            if window >= 0:
                self.windows.note(window, size)
            return window, 0

    def _regain(self, window: int) -> None:
        with self.lock:
            self.windows.give_back(window)

    def add(self, task: Task | Job) -> None:
        """Take a task, or a map; it begins at once if a worker is idle. Under the lock."""
        if self.idle and not self.pending and type(task) is Task and not self.by_call:
            worker = self.idle.pop()  # the shortest way: what waits for one task waits for this
            if not task.starts():
                self.release(task)
                self.idle.append(worker)
            else:
                self._send(worker, [task])
            return
        self.pending.append(task)
        if self.idle:
            # A map is for all workers, a task for one.
            self.feed_idle(1 if isinstance(task, Task) else len(self.idle))

    def feed_idle(self, most: int) -> None:
        """Give idle workers what they can take now, so many of them. Under the lock."""
        for worker in self.idle[-most:]:
            if worker in self.idle:
                self.idle.remove(worker)
                self.feed(worker)

    def put_back(self, tasks: Iterable[Task]) -> None:
        """Take tasks again that no worker has begun; they go first. Under the lock."""
        self.pending.extendleft(reversed(list(tasks)))

    def feed(self, worker: Worker) -> None:
        """Give a worker what it can take now; with nothing to do, it is idle. Under the lock."""
        if worker.gone:
            return
        try:
            while len(worker.packets) < self._depth(worker):
                tasks = self._next(worker)
                if not tasks:
                    break
                if self.by_call and worker.call not in (None, tasks[0].call):
                    if worker.packets:
                        self.put_back(tasks)
                        break
                    self.retire(worker)
                    try:
                        worker = self.renew(worker)
                    except BaseException:
                        self.put_back(tasks)
                        raise
                worker.call = tasks[0].call
                if not self._send(worker, tasks):
                    break
        finally:  # also where pickling was interrupted: nobody else knows this worker
            if not worker.packets and not worker.gone:
                self.busy.discard(worker)
                if worker not in self.idle:
                    self.idle.append(worker)

    def _depth(self, worker: Worker) -> int:
        """Give how many packets the worker may have: one ahead where tasks are short."""
        if worker.single or not self.pending:
            return 1
        first = self.pending[0]
        each = self._each if isinstance(first, Task) else first.each
        return 2 if 0 < each < LONG else 1

    def retire(self, worker: Worker) -> None:
        """Have a worker end that has nothing to do. Under the lock."""
        worker.gone = True
        self.busy.discard(worker)
        if worker in self.idle:
            self.idle.remove(worker)

    def _next(self, worker: Worker) -> list[Task]:
        """Take the tasks of one packet from what is pending."""
        while self.pending:
            first = self.pending[0]
            if isinstance(first, Task):
                tasks = self._several(worker)
                if tasks:
                    return tasks
                continue  # they were all cancelled
            if first.over:
                self.pending.popleft()
                continue
            start, size = first.cut(self.workers)
            if first.over:
                self.pending.popleft()
            if not size:  # who waits has given up just now
                continue
            try:
                return [self.chunk(first, start, size)]
            except BaseException as error:  # this part will never come
                first.fail(error)
                raise
        return []

    def chunk(self, job: Job, start: int, size: int) -> Task:
        """Make a task of some items of a map.

        If they can't be pickled, it is of the first item alone, and the others go on top of what
        is pending; if that one can't be, it is a task that says so.
        """
        try:
            data = self.encode(job.payload(start, size), job.fn)
        except TaskPicklingError as error:
            if size > 1:
                first, *rest = [self.chunk(job, item, 1) for item in range(start, start + size)]
                self.put_back(rest)
                return first
            data = encode((_refuse, [error.args], True, None, start), self.arena, self._lend)
        return Task(data, job.fn, job.call, job.limits, job=job, start=start, size=size)

    def _several(self, worker: Worker) -> list[Task]:
        most = 1
        if not worker.single and 0 < self._each < PACKET:
            most = min(MOST, int(PACKET / self._each), len(self.pending) // (2 * self.workers))
        tasks: list[Task] = []
        room = ROOM
        while self.pending and len(tasks) < max(1, most):
            task = self.pending[0]
            if not isinstance(task, Task):
                break
            room -= len(task.data.data)
            alone = task.data.fd >= 0 or task.limits.timeout is not None
            if tasks and (room < 0 or alone or (self.by_call and task.call != tasks[0].call)):
                break
            self.pending.popleft()
            if task.starts():
                tasks.append(task)
                if alone:
                    break
            else:
                self.release(task)
        return tasks

    def _send(self, worker: Worker, tasks: list[Task]) -> bool:
        """Send one packet; False if the worker can't take it, which then keeps what it had."""
        grant = self.windows.take()
        rows, fds, watched = [], [], []
        for task in tasks:
            data = task.data
            task.number = number = next(self._numbers) & _MASK or next(self._numbers) & _MASK
            rows.append((number, data.data))
            if data.window >= 0:
                worker.windows.add(data.window)
            if data.fd >= 0:
                fds.append(data.fd)
            if task.limits.timeout is not None:
                watched.append(task)
        worker.packets.append(Packet(grant, tasks))
        self.busy.add(worker)
        try:
            wire.send(worker.end, wire.pack_tasks(grant, rows), fds)
        except OSError:  # it has died; its tasks are dealt with when it is buried
            return False
        for task in watched:
            self.watch(worker, task)
        return True

    def release(self, task: Task) -> None:
        """Let go of what a task that has ended referred to. Under the lock."""
        if task.data.window >= 0:
            self.windows.give_back(task.data.window)
            task.data.window = -1
        _close_file(task)

    def answered(
        self, worker: Worker, answer: wire.Results, rows: list[tuple[int, int, Any]]
    ) -> list[tuple[Task, int, Any]]:
        """Take in a packet from a worker; give the tasks that it has ended. Under the lock.

        Args:
            worker: who.
            answer: its packet.
            rows: per result its number, whether it is a value, and what it is.
        """
        ended = []
        for number, is_value, value in rows:
            for packet in worker.packets:
                task = packet.tasks.pop(number, None)
                if task is not None:
                    if task.data.fd >= 0:
                        _close_file(task)
                    ended.append((task, is_value, value))
                    break
        for window in answer.freed:
            if window in worker.windows:
                worker.windows.discard(window)
                self.windows.give_back(window)
        if answer.last and worker.packets:
            self._close_packet(worker, answer, len(rows))
        worker.served = True
        return ended

    def _close_packet(self, worker: Worker, answer: wire.Results, rows: int) -> None:
        packet = worker.packets.popleft()
        if packet.grant >= 0:
            for _, _, end, _ in answer.results:
                if end:
                    self.windows.note(packet.grant, end)
            self.windows.give_back(packet.grant)
        if packet.tasks:  # it was told to leave these
            for task in packet.tasks.values():
                worker.windows.discard(task.data.window)
            self.put_back(packet.tasks.values())
        if rows:
            each = answer.seconds / rows
            if packet.job is None:
                self._each = each if not self._each else 0.8 * self._each + 0.2 * each
        if not worker.packets:
            self.busy.discard(worker)


def _close_file(task: Task) -> None:
    if task.data.fd >= 0:
        os.close(task.data.fd)
        task.data.fd = -1


def _refuse(*reason: str) -> None:
    raise TaskPicklingError(*reason)
