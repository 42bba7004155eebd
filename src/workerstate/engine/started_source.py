"""Workers that are started one by one: by fork, spawn, forkserver, or as loky starts its own."""

from __future__ import annotations

import contextvars
import multiprocessing
import os
import sys
import threading
import time
from contextlib import contextmanager, suppress

from workerstate import mainmodule, portable, preparing
from workerstate.engine import processes, wire
from workerstate.engine.ending import disown, drop_output, finish
from workerstate.engine.source import Source
from workerstate.engine.workers import Slot, Worker
from workerstate.errors import SpecError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from workerstate.engine.pool import Pool
    from workerstate.errors import WorkerStartError
    from workerstate.fleet import Fleet
    from workerstate.workerside import Here

PATIENCE = 10.0  # seconds that workers may take to end


class StartedSource(Source):
    """Starts each worker as a process of a multiprocessing context.

    Args:
        fleet: what they start with.
        context: of multiprocessing, or of loky.
        single: each runs one task.
        standby: how many wait in a slot while one runs, where each runs one task.
    """

    def __init__(self, fleet: Fleet, context: Any, *, single: bool, standby: int = 1) -> None:
        super().__init__(fleet, context.get_start_method(), single=single, standby=standby)
        self.state = self.shared.state()
        self._context = context
        self._workers: dict[int, Worker] = {}  # by pidfd
        # A forked worker has the context variables of who asked for it, not of the pool's thread.
        self._caller = contextvars.copy_context()

    def open(self, pool: Pool) -> None:
        """Start the first workers, in the thread that asks for it."""
        self._pool = pool
        self._stopping = False
        _check_place(self._context.get_start_method())
        _start_trackers(self._context)
        for _ in range(1 + self._standby):
            for slot in pool.places.slots:
                pool.places.start(slot)

    def start(self, slot: Slot) -> Worker | None:
        """Start a worker, which can be sent tasks at once."""
        near, far = wire.pair()
        orders = Orders(self, slot.number, near, far)
        process = self._context.Process(target=serve, args=(orders,))
        try:
            with processes.interrupts_blocked(), _without_false_file():
                self._caller.run(process.start)
            pidfd = os.pidfd_open(process.pid)
        except BaseException:  # Ctrl-C was held back until here; nobody else knows this process
            near.close()
            far.close()
            if process.pid is not None:
                processes.kill(process.pid)
                process.join()
            raise
        worker = Worker(slot, near, pid=process.pid, single=self.single, process=process)
        if self.single:
            far.close()
        else:
            worker.inbox = far
        self._workers[pidfd] = worker
        self._pool.receiver.add(pidfd, lambda: self._ended(pidfd))
        return worker

    def _ended(self, pidfd: int) -> None:
        worker = self._workers.pop(pidfd)
        self._pool.receiver.remove(pidfd)
        os.close(pidfd)
        worker.process.join()
        code = worker.process.exitcode
        self._pool.hearing.drain(worker)
        if not (worker.ready or worker.served or self._stopping):  # served: it was to end
            failure = self._fleet.failure(worker.pid)
            if failure is not None:
                self._pool.break_with(failure)
        self._pool.hearing.bury(worker, None if code is None else -code if code < 0 else code << 8)
        if self.single and not self._stopping:
            with self._pool.lock:
                self._pool.places.refill(worker.slot)

    def starting(self) -> Iterable[tuple[int, int, float]]:
        """Give the workers that have not told that they have started."""
        for worker in self._workers.values():
            if not worker.ready:
                yield worker.slot.number, worker.pid, worker.since

    def disown(self) -> None:
        """Close, in a process that was forked, the parent's ends of all connections."""
        for worker in self._workers.values():
            worker.end.close()
            if worker.inbox is not None:
                worker.inbox.close()

    def stop(self, *, at_once: bool) -> None:
        """End all workers: their connections are closed, so that they do when they are idle."""
        self._stopping = True
        if at_once:
            self._kill_all()
        deadline = time.monotonic() + PATIENCE
        for worker in self._workers.values():
            worker.process.join(max(0.0, deadline - time.monotonic()))
        self._kill_all()
        for pidfd, worker in self._workers.items():
            worker.process.join()
            self._pool.receiver.remove(pidfd)
            os.close(pidfd)
        self.disown()  # the end of one that was started while the pool closed is still open
        self._workers.clear()

    def _kill_all(self) -> None:
        for worker in self._workers.values():
            if worker.process.exitcode is None:
                processes.kill(worker.pid)


class Orders:
    """What a worker is told when it is started; a forked one has it, others read it.

    Args:
        source: of the parent.
        number: the worker's.
        near: the parent's end of the socket to it.
        end: its own.
    """

    def __init__(self, source: StartedSource, number: int, near: wire.Link, end: wire.Link) -> None:
        pool = source._pool
        self.source: StartedSource | None = source
        self.near: wire.Link | None = near
        self.number = number
        self.single = source.single
        self.slots = len(pool.places.slots)
        self.parent = os.getpid() if _lasts() else 0
        self.served = source._context.get_start_method() == "forkserver"
        self.fds = (end.fileno(), pool.arena.fd, pool.board.fd)
        self.main = None if source.shared.there else (source.shared.entry, source.state)
        self.early = source._fleet.early() if self.main else {}
        self.method = multiprocessing.get_start_method(allow_none=True)
        self.fleet = source._fleet
        self.start: bytes | None = None
        self.fleet.birth()  # before a fork: afterwards it would be too late

    def __getstate__(self) -> dict[str, Any]:
        from multiprocessing.reduction import DupFd

        fds = [DupFd(fd) for fd in self.fds]
        assert self.source is not None
        start = portable.dumps(self.fleet.orders(), self.source.shared)
        own = {"source": None, "near": None, "fleet": None}
        return {**self.__dict__, **own, "start": start, "fds": fds}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.fds = tuple(fd.detach() for fd in state["fds"])


def _begin(orders: Orders) -> tuple[Here | None, WorkerStartError | None]:
    """Become what the orders say; what goes wrong is given."""
    from workerstate import workerside

    if orders.source is not None:
        disown()
        drop_output()
        processes.drop_wakeup()
        orders.source.disown()
        if orders.near is not None:
            orders.near.close()  # with it open here, the parent's end would not be seen
        start = orders.fleet.orders_here()
    else:
        if multiprocessing.get_start_method(allow_none=True) == "loky":
            # What tasks start themselves is to be started as in the parent.
            multiprocessing.set_start_method(orders.method, force=True)
        assert orders.start is not None
        start, failure = preparing.read(orders.number, orders.start, orders.main, orders.early)
        if failure is not None:
            return None, failure
    preparing.reseed_globals()  # those of a forked worker are its parent's
    here = workerside.begin(*start, orders.number)
    return here, here.failure


def serve(orders: Orders) -> None:
    """Be a worker: what a process that was started runs."""
    if orders.served:  # its own parent is the server, which goes on while a worker does
        processes.end_with_writer(multiprocessing.parent_process().sentinel)  # type: ignore[union-attr]
    elif orders.parent:
        processes.end_with_parent(orders.parent)
    processes.pass_interrupts()
    end = wire.link(orders.fds[0])
    _serve(orders, end)
    if orders.source is None:
        processes.end_soon()
    else:  # the interpreter of a forked process does not do it
        finish(pools=True)
    with suppress(OSError):  # a task has closed it
        end.close()


def _serve(orders: Orders, end: wire.Link) -> None:
    from workerstate.engine.arena import Arena
    from workerstate.engine.board import Board
    from workerstate.engine.serving import Server

    here, failure = _begin(orders)
    try:
        if failure is not None:
            return wire.tell_failure(end, failure)
        wire.tell_ready(end)
    except OSError:  # the parent has no more use for this worker
        return None
    cell = Board(orders.slots, orders.fds[2]).cell(orders.number)
    assert here is not None
    server = Server(end, Arena(orders.fds[1]), cell, here.birth, mainmodule.everything())
    if orders.single:
        server.serve_one()
    else:
        server.serve()
    return None


@contextmanager
def _without_false_file() -> Iterator[None]:
    """Hide a main module's file that is none (``<stdin>``): workers would try to run it."""
    space = vars(sys.modules["__main__"])
    file = space.get("__file__")
    if type(file) is not str or not file.startswith("<"):
        yield
        return
    del space["__file__"]
    try:
        yield
    finally:
        space["__file__"] = file


def _check_place(method: str) -> None:
    """Tell whether this process may start others, which multiprocessing asserts later on.

    Raises:
        SpecError: it may not.
    """
    current: Any = multiprocessing.current_process()
    if getattr(current, "_inheriting", False):
        raise SpecError(
            f"start_method={method!r}: this process is itself a worker that is starting, and runs "
            'the program\'s main module. Put what makes pools under if __name__ == "__main__":'
        )
    if current.daemon:
        raise SpecError(
            f"start_method={method!r}: multiprocessing lets a daemonic process have no children; "
            "use start_method='template', or make this process with daemon=False"
        )


def _start_trackers(context: Any) -> None:
    """Start the resource trackers that starting a worker would: that lets interrupts through."""
    method = context.get_start_method()
    if method == "fork":
        return
    homes = ["multiprocessing"]  # loky's workers are given that one too
    if method == "loky":
        homes.append(type(context).__module__.rpartition(".")[0])
    for home in homes:
        __import__(f"{home}.resource_tracker", fromlist=["_"]).ensure_running()


def _lasts() -> bool:
    """Tell whether this thread lives as long as the process, or the pool."""
    thread = threading.current_thread()
    return thread is threading.main_thread() or thread.name == "workerstate-pool"
