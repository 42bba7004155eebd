"""The parent's side of a template: its process, and the workers that it forks."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import subprocess
import sys

from workerstate import portable
from workerstate.engine import executing, processes, wire
from workerstate.engine.board import monotonic
from workerstate.engine.places import MOST_FAILURES
from workerstate.engine.source import Source
from workerstate.engine.workers import Slot, Worker
from workerstate.errors import TemplateError, WorkerStartError
from workerstate.preparing import TEMPLATE, has_own

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from workerstate.engine.pool import Pool
    from workerstate.fleet import Fleet

watcher: Any = None  # set where the program is observed (workerstate run)
PATIENCE = 10.0  # seconds that workers may take to end
SEEN = 2  # tasks that must have imported a module before the template does
_NO_FILES = "this program has no file descriptor left for a worker (see ulimit -n)"


class TemplateSource(Source):
    """Starts workers by forking them from a template.

    Args:
        fleet: what they start with.
        single: a worker per task, forked by a nursery per slot.
        standby: how many workers wait in a slot while one runs.
    """

    def __init__(self, fleet: Fleet, *, single: bool, standby: int = 1) -> None:
        super().__init__(fleet, "template", single=single, standby=standby)
        self._seen: dict[str, int] = {}
        self._known: set[str] = set()
        self._workers: dict[int, Worker] = {}  # by pid
        self._nurseries: dict[int, tuple[Slot, wire.Link]] = {}  # by pid
        self._unborn: dict[tuple[int, int], wire.Link] = {}  # the same, as ``_new``
        self._links: set[wire.Link] = set()  # to nurseries, also those that were replaced
        self._new: dict[tuple[int, int], Worker] = {}  # by slot and generation, until the pid comes
        self._process: subprocess.Popen[bytes] | None = None
        self._buffer = memoryview(bytearray(wire.BUFFER))
        self._ready = False
        self._since = 0.0
        self._pidfd = -1

    def open(self, pool: Pool) -> None:
        """Execute the template, and have it fork as soon as it is ready."""
        self._pool = pool
        self._stopping = False
        self._orders, far = wire.pair()
        birth, settings, self._fingerprint = self._fleet.orders()
        code = bool(birth.resources or birth.initializer)
        start = {
            "birth": portable.dumps(birth, self.shared),
            "main": (self.shared.entry, self.shared.state()),
            "early": self._fleet.early(),
            "settings": settings,
            "fingerprint": self._fingerprint,
            "argv": list(sys.argv),
            "process": executing.current_process(),
            "workers": len(pool.places.slots),
            "often": self.single or pool.tasks.by_call,
            "imports": code or bool(birth.preload or self.shared.entry),
            "code": code,
        }
        self._birth = birth
        self._since = monotonic()
        try:
            self._process = executing.execute(start, far, pool.arena.fd, pool.board.fd)
        except BaseException:
            self._orders.close()
            raise
        finally:
            far.close()
        self._pidfd = os.pidfd_open(self._process.pid)
        pool.receiver.add(self._orders.fileno(), self._hear)
        pool.receiver.add(self._pidfd, self._ended)
        for slot in pool.places.slots:
            pool.places.start(slot)

    def start(self, slot: Slot) -> Worker | None:
        """Order a worker, which can be sent tasks at once, or a nursery, which delivers them."""
        near, far = wire.pair()
        how = {"generation": slot.generation, "standby": self._standby}
        if self.single:
            self._unborn[slot.number, slot.generation] = near
            self._tell(("nursery", slot.number, how), [far.fileno()])
            far.close()
            self._replace_nursery(slot, near)
            return None
        worker = Worker(slot, near, inbox=far)
        if watcher is not None:
            watcher.orders(slot.number)
        # First: the receiver's thread may hear of the fork before this one goes on.
        self._new[slot.number, slot.generation] = worker
        self._tell(("worker", slot.number, how), [far.fileno()])
        return worker

    def starting(self) -> Iterable[tuple[int, int, float]]:
        """Give the template, or its workers that open resources of their own."""
        if not self._ready:
            assert self._process is not None
            yield TEMPLATE, self._process.pid, self._since
        elif has_own(self._birth):
            for worker in self._workers.values():
                if not worker.ready and not worker.gone:
                    yield worker.slot.number, worker.pid, worker.since

    def _replace_nursery(self, slot: Slot, link: wire.Link) -> None:
        """Listen to a slot's new nursery; the old one ends with the worker that it has running."""
        old: wire.Link | None = slot.keeper
        slot.keeper = link
        self._links.add(link)
        self._pool.receiver.add(link.fileno(), lambda: self._hear_nursery(slot, link))
        if old is not None:
            # Not closed: it is still to tell how that worker ends.
            try:
                old.shutdown(socket.SHUT_WR)
            except OSError:  # it has died, which is heard
                pass
            for worker in slot.ready:
                worker.served = True  # its end is no fault of its own
                self._pool.receiver.remove(worker.end.fileno())
                worker.gone = True
                worker.close()
            slot.ready.clear()

    def _drop_nursery(self, link: wire.Link) -> None:
        self._links.discard(link)
        self._pool.receiver.remove(link.fileno())
        link.close()

    def settle(self, mark: Any) -> None:
        """Have the template take the settings that tasks bring from now on."""
        fingerprint, settings = mark[:2]
        if fingerprint != self._fingerprint:
            self._fingerprint = fingerprint
            self._tell(("settle", settings, fingerprint))
            self._renew()

    def _renew(self) -> None:
        """Have each nursery replaced by one that is forked from the template as it is now."""
        if self.single:
            with self._pool.lock:
                for slot in self._pool.places.slots if self._pool.wants_workers else ():
                    self._pool.places.start(slot)

    def learn(self, names: list[str]) -> None:
        """Have the template import what several tasks have imported."""
        for name in names:
            self._seen[name] = self._seen.get(name, 0) + 1
        wanted = [n for n in names if self._seen[n] >= SEEN and n not in self._known]
        if wanted:
            self._known.update(wanted)
            self._tell(("learn", wanted))

    def _tell(self, order: tuple[Any, ...], fds: list[int] | None = None) -> None:
        try:
            wire.tell(self._orders, order, fds or [])
        except ConnectionError:  # it has died, which its pidfd tells
            pass
        except OSError:
            if not self._stopping:
                raise

    def _hear(self) -> bool:
        """Take in what the template tells; False where nothing is there."""
        try:
            news, _ = wire.hear(self._orders, self._buffer, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            news = None
        if news is None:
            self._pool.receiver.remove(self._orders.fileno())
            return False
        kind, *facts = news
        if kind == "ready":
            self._ready = True
        elif kind == "forked":
            self._forked(*facts)
        elif kind == "died":
            self._died(*facts)
        elif kind == "failed":
            self._failed(*facts)
        elif kind == "learnt" and facts[0]:
            self._renew()
        return True

    def _forked(self, slot: int, generation: int, pid: int) -> None:
        if self.single:
            link = self._unborn.pop((slot, generation))
            self._nurseries[pid] = self._pool.places.slots[slot], link
            return
        worker = self._new.pop((slot, generation))
        worker.pid = pid
        self._workers[pid] = worker

    def _died(self, pid: int, status: int) -> None:
        worker = self._workers.pop(pid, None)
        if worker is not None:
            self._bury(worker, status)
            return
        slot, link = self._nurseries.pop(pid, (None, None))
        if slot is not None and link is not None:
            # What its tasks have left may hold its end open.
            while link in self._links and self._hear_nursery(slot, link):
                pass
            if link in self._links:
                self._nursery_left(slot, link)

    def _bury(self, worker: Worker, status: int) -> None:
        if status and not worker.served:
            failure = self._fleet.failure(worker.pid, patience=0.0)
            if failure is not None:  # its start has ended it
                self._pool.break_with(failure)
        self._pool.hearing.bury(worker, status)

    def _hear_nursery(self, slot: Slot, link: wire.Link) -> bool:
        """Take in what a nursery tells; False where nothing is there."""
        try:
            news, fds = wire.hear(link, self._buffer, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            news, fds = None, []
        if news is None:
            self._nursery_left(slot, link)
            return False
        _, pid, ended = news
        for each, status in ended:
            worker = self._workers.pop(each, None)
            if worker is not None:
                self._bury(worker, status)
        if not fds:
            if pid:
                raise TemplateError(_NO_FILES)
            return True  # it has been replaced, and forks no more
        worker = Worker(slot, wire.link(fds[0]), pid=pid, single=True, process=link)
        self._workers[pid] = worker
        if slot.keeper is link:
            self._pool.places.deliver(worker)
        else:
            worker.gone = worker.served = True
            worker.close()
        return True

    def _nursery_left(self, slot: Slot, link: wire.Link) -> None:
        """Bury the workers that have gone with their nursery; have a new one if it has not that."""
        self._drop_nursery(link)
        gone = [(pid, each) for pid, each in self._workers.items() if each.process is link]
        for pid, worker in gone:
            del self._workers[pid]
            self._pool.hearing.bury(worker, int(signal.SIGKILL))
        if slot.keeper is link and not self._stopping:
            slot.keeper = None
            # One that never was comes of the template's own end.
            slot.failures += not gone and link not in self._unborn.values()
            if slot.failures > MOST_FAILURES:
                self._pool.break_with(TemplateError(processes.NO_FORK))
                return
            with self._pool.lock:
                self._pool.places.start(slot)

    def _failed(self, pickled: bytes | None, wrong: list[str]) -> None:
        error: BaseException
        if pickled is not None:
            error = pickle.loads(pickled)
        else:
            error = TemplateError(
                f"the template must not be forked: {'; '.join(wrong)}. What starts it runs in the "
                "main module, in preloaded modules, shared resources or the initializer. Put it "
                'under if __name__ == "__main__":, or open it in each worker (a Resource that '
                "isn't shared), or use start_method='forkserver'"
            )
        self._pool.break_with(error)

    def _ended(self) -> None:
        """Take in that the template itself has ended, and all workers with it."""
        self._pool.receiver.remove(self._pidfd)
        assert self._process is not None
        while self._hear():
            pass
        # Its end may stay open: what it has started may have it too.
        self._pool.receiver.remove(self._orders.fileno())
        if self._stopping or self._pool.broken is not None:
            return
        code = self._process.wait()
        step = "" if self._ready else self.step(TEMPLATE, self._process.pid)
        how = f"killed by signal {-code}" if code < 0 else f"with exit code {code}"
        if step:
            reason = f"the template's process ended at this step, {how}"
            error = WorkerStartError(TEMPLATE, self._process.pid, step, reason, "", None)
            self._pool.break_with(error)
        else:
            self._pool.break_with(TemplateError(f"the template has ended, {how}"))

    def stop(self, *, at_once: bool) -> None:
        """End the template, and with it all workers."""
        self._stopping = True
        if self._process is None:
            return
        for link in list(self._links):
            self._drop_nursery(link)
        if at_once:
            self._kill_all()
        else:
            self._tell(("stop",))
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._kill_all()
            self._process.wait()
        self._process = None
        for pid in (*self._nurseries, *self._workers):  # whose own children the workers may be
            processes.reap(pid)
        self._pool.receiver.remove(self._orders.fileno())
        self._orders.close()
        if self._pidfd >= 0:
            os.close(self._pidfd)
        for worker in self._workers.values():  # that came while the pool closed
            worker.close()
        self._workers.clear()

    def _kill_all(self) -> None:
        for pid in (*self._workers, *self._nurseries):
            processes.kill(pid)
        assert self._process is not None
        self._process.kill()
