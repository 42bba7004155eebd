"""What workers say, and what is made of it when one says no more."""

from __future__ import annotations

import pickle
import socket

from workerstate.engine import leavings, outcomes, wire
from workerstate.engine.payload import decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from workerstate.engine.pool import Pool
    from workerstate.engine.tasks import Task
    from workerstate.engine.workers import Worker

    Row = tuple[int, int, Any]  # number, whether it is a value, what it is


class Unreadable:
    """Stands for a result that came and could not be read."""

    def __init__(self, reason: BaseException) -> None:
        self.reason = reason


class Hearing:
    """Reads what the workers of a pool send."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._buffer = memoryview(bytearray(wire.BUFFER))

    def on_packet(self, worker: Worker) -> None:
        """Take in one packet, of which the receiver has been told."""
        self.hear(worker)

    def hear(self, worker: Worker) -> bool:
        """Take in one packet; False where none is there."""
        try:
            size, fd = wire.receive(worker.end, self._buffer, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            size, fd = 0, -1
        if not size:
            self._pool.places.left(worker)
            return False
        answer = wire.Results(self._buffer[:size])
        if answer.kind == wire.RESULTS:
            self._results(worker, answer, fd)
        else:
            self._news(worker, answer)
        return True

    def _news(self, worker: Worker, answer: wire.Results) -> None:
        data = bytes(answer.results[0][3]) if answer.results else b""
        if answer.kind == wire.FAILED:
            self._pool.break_with(pickle.loads(data))
        elif answer.kind == wire.LEARNT:
            self._pool.source.learn(data.decode().split("\n"))
        elif answer.kind == wire.READY:
            worker.ready = True

    def _results(self, worker: Worker, answer: wire.Results, fd: int) -> None:
        # Before its windows are given back, and without the lock: copying takes time.
        rows = [self._row(number, kind, data, fd) for number, kind, _, data in answer.results]
        pool = self._pool
        ended: list[tuple[Task, int, Any]] = []
        try:
            with pool.lock:
                packet = worker.packets[0] if worker.packets else None
                if answer.last and packet is not None and packet.job is not None:
                    packet.job.learn(packet.size, answer.seconds)
                ended = pool.tasks.answered(worker, answer, rows)
                if answer.last:
                    pool.places.free(worker)
        finally:  # nobody else knows these tasks any more
            self.finish(worker, ended)

    def finish(self, worker: Worker, ended: list[tuple[Task, int, Any]]) -> None:
        """Tell who waits for these tasks what came of them."""
        for index, row in enumerate(ended):
            try:
                self._finish(worker, *row)
            except BaseException as error:  # nobody else knows these tasks any more
                for task, *_ in ended[index:]:
                    task.fail(error)
                raise

    def _finish(self, worker: Worker, task: Task, is_value: int, value: Any) -> None:
        if isinstance(value, Unreadable):
            task.fail(outcomes.unreadable(value.reason, task, worker))
        elif not is_value:
            task.fail(outcomes.error_of(value, task, worker))
        elif task.job is None:
            task.succeed(value)
        else:
            values, failed = value
            errors = {at: outcomes.error_of(each, task, worker) for at, each in failed.items()}
            task.succeed((values, errors))

    def drain(self, worker: Worker) -> None:
        """Take in all that a worker has sent."""
        while worker.end.fileno() >= 0 and self.hear(worker):
            pass

    def bury(self, worker: Worker, status: int | None) -> None:
        """Take in that a worker has ended: blame the task it was running, and no other.

        Args:
            worker: who.
            status: as ``os.waitpid`` gives it, or None.
        """
        self.drain(worker)
        pool = self._pool
        kept = {row[0]: row for row in self._kept(worker)}  # runs code of the program's: no lock
        with pool.lock:
            begun = worker.slot.cell.begun()[0]
            left = leavings.unwind(pool.tasks, worker)
            done = [(task, *kept[task.number][1:]) for task in left if task.number in kept]
            for task, *_ in done:
                pool.tasks.release(task)
            rest = [task for task in left if task.number not in kept]
            blamed = [task for task in rest if task.number == begun]
            failed = [task for task in blamed if not pool.run_again(task)]
            worker.served = worker.served or bool(blamed)  # its end is the task's doing
            unbegun = [task for task in rest if task.number != begun]
            if status == 0 or blamed:  # it has retired, or ended of another task
                pool.tasks.put_back(unbegun)
            else:
                failed += leavings.lost(pool.tasks, unbegun)
            pool.places.vacate(worker, status)
            if pool.tasks.pending:
                pool.tasks.feed_idle(len(pool.tasks.idle))
        self.finish(worker, done)
        self._fail(worker, status, failed)

    def _fail(self, worker: Worker, status: int | None, failed: list[Task]) -> None:
        record = self._pool.last_record(worker.pid) if failed else None
        for task in failed:
            with self._pool.lock:
                self._pool.tasks.release(task)
            task.fail(outcomes.death(task, worker, status, record))

    def _kept(self, worker: Worker) -> list[Row]:
        """Read the results that a dead worker had not sent."""
        if worker.single or not worker.packets:
            return []
        return [
            self._row(number, kind, data, -1) for number, kind, _, data in worker.slot.cell.kept()
        ]

    def _row(self, number: int, kind: int, data: memoryview, fd: int) -> Row:
        try:
            return number, kind, decode(data, self._pool.arena, fd, None)
        except BaseException as error:  # the file that came along has been closed
            return number, kind, Unreadable(error)
