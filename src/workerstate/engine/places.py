"""Who runs in which place of a pool, who waits to take it, and who comes when one has gone."""

from __future__ import annotations

from workerstate.engine import leavings, outcomes
from workerstate.engine.starts import Starts
from workerstate.engine.workers import Slot, Worker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from workerstate.engine.pool import Pool

MOST_FAILURES = 3  # workers in a row that end without an answer


class Places:
    """The places of a pool, one for each worker that runs at a time.

    Args:
        pool: whose they are.
        count: how many.
        start_timeout: seconds that a start may take, or None.

    Attributes:
        slots: the places, by number.
        starts: who looks after workers that have not started yet.
    """

    def __init__(self, pool: Pool, count: int, start_timeout: float | None) -> None:
        self._pool = pool
        self.slots = [Slot(number, pool.board.cell(number)) for number in range(count)]
        self.starts = Starts(pool, start_timeout)

    def workers(self) -> list[Worker]:
        """Give all that are there."""
        found = [each for slot in self.slots for each in (slot.running, *slot.ready)]
        return [each for each in found if each is not None]

    def empty(self) -> None:
        """Forget all workers: they have been ended as others could not be started."""
        for worker in self.workers():
            self.close(worker)
            leavings.unwind(self._pool.tasks, worker)
        for slot in self.slots:
            slot.running = None
            slot.ready.clear()

    def start(self, slot: Slot) -> None:
        """Have a worker started for a place."""
        slot.generation += 1
        worker = self._pool.source.start(slot)
        if worker is not None:
            self.deliver(worker)

    def deliver(self, worker: Worker) -> None:
        """Take in a worker that has been started."""
        with self._pool.lock:
            self._listen(worker)
            slot = worker.slot
            if slot.running is None:
                self._run(worker)
            else:
                slot.ready.append(worker)

    def renew(self, worker: Worker) -> Worker:
        """Give a new worker in the place of one that has served another call. Under the lock."""
        slot = worker.slot
        self.close(worker)
        slot.running = None
        slot.generation += 1
        try:
            new = self._pool.source.start(slot)
        except BaseException as error:
            self._break_with(outcomes.unstarted(slot, error))
            raise
        assert new is not None, "calls have workers of their own where those are there at once"
        slot.running = new
        slot.cell.clear()
        self._listen(new)
        return new

    def free(self, worker: Worker) -> None:
        """Give a worker more to do, or its place to the next. Under the lock."""
        if worker.single:
            worker.gone = True
            self._next(worker.slot)
        else:
            self._pool.tasks.feed(worker)

    def left(self, worker: Worker) -> None:
        """Take in that a worker has closed its end; who has seen it end will say how."""
        with self._pool.lock:
            self._pool.receiver.remove(worker.end.fileno())
            if worker.single and worker.gone:
                leavings.unwind(self._pool.tasks, worker)
                worker.close()

    def vacate(self, worker: Worker, status: int | None) -> None:
        """Fill the place that a dead worker leaves. Under the lock.

        Args:
            worker: who.
            status: as ``os.waitpid`` gives it, or None.
        """
        pool, slot = self._pool, worker.slot
        self.close(worker)
        if worker in slot.ready:
            slot.ready.remove(worker)
        slot.failures = 0 if worker.served else slot.failures + 1
        if slot.failures > MOST_FAILURES:
            self._break_with(outcomes.never_ran(slot, status))
        elif slot.running is not worker:
            return
        elif worker.single:
            self._next(slot)
        elif pool.wants_workers:
            slot.running = None
            self.refill(slot)

    def refill(self, slot: Slot) -> None:
        """Have a worker started in the place of one that has ended; else the pool breaks."""
        try:
            self.start(slot)
        except BaseException as error:
            self._break_with(outcomes.unstarted(slot, error))

    def _break_with(self, error: BaseException) -> None:
        """Give up, but not before what is being done under the lock is done."""
        self._pool.receiver.at(0.0, lambda: self._pool.break_with(error))

    def close(self, worker: Worker) -> None:
        """Let go of a worker: it takes no more tasks."""
        worker.gone = True
        fd = worker.end.fileno()
        if fd >= 0:
            self._pool.receiver.remove(fd)
            worker.close()

    def _listen(self, worker: Worker) -> None:
        hearing = self._pool.hearing
        self._pool.receiver.add(worker.end.fileno(), lambda: hearing.on_packet(worker))
        self.starts.watch()

    def _run(self, worker: Worker) -> None:
        worker.slot.running = worker
        worker.slot.cell.clear()
        self._pool.tasks.feed(worker)

    def _next(self, slot: Slot) -> None:
        slot.running = None
        while slot.ready:
            worker = slot.ready.popleft()
            if not worker.gone:
                self._run(worker)
                return
