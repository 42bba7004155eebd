"""The template: a process that is prepared once, and forks workers from what it has become.

It is an interpreter of its own, never a fork of the parent: no thread and no lock of the parent's
is in it. It has one thread, and does nothing but wait for orders:

    ("worker", slot, how) + socket     fork a worker that takes tasks from that socket
    ("nursery", slot, how) + socket    fork a nursery, which forks a worker per task (``nursery``)
    ("learn", names)                   import what tasks have imported
    ("settle", settings, fingerprint)  take the parent's settings of now
    ("kill", pid)                      end a worker at once
    ("stop",)                          end when the workers have ended

and tells ("ready", pid), ("failed", error), ("died", pid, status), ("learnt", names).
"""

from __future__ import annotations

import os
import pickle
import select
import sys
from contextlib import suppress

from workerstate import mainmodule, preparing, start_reports, starting
from workerstate.engine import heap, processes, serving, wire
from workerstate.engine.arena import Arena
from workerstate.engine.board import Board
from workerstate.engine.ending import disown, end, flush_all
from workerstate.engine.safety import culprits
from workerstate.engine.serving import Server
from workerstate.errors import TemplateError
from workerstate.preloading import rare_collections

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from workerstate.errors import WorkerStartError
    from workerstate.workerside import Here


class Template:
    """What the process is, once it has been prepared.

    Args:
        orders: the socket to the parent.
        arena: what is shared with it.
        board: where workers say what they are doing.
        here: what was prepared.
        often: it forks more than one worker for each place.
    """

    def __init__(
        self, orders: wire.Link, arena: Arena, board: Board, here: Here, *, often: bool
    ) -> None:
        self.shared = mainmodule.everything()
        self.orders = orders
        self.often = often
        self.arena = arena
        self.board = board
        self.here = here
        self.pid = os.getpid()
        self._workers: dict[int, int] = {}  # pid by its pidfd
        self._stopping = False
        self._buffer = memoryview(bytearray(wire.BUFFER))

    def run(self, parent: int) -> None:
        """Obey until the parent says stop, or has gone.

        Args:
            parent: a pidfd of it: its end is seen though others hold its sockets open.
        """
        poll = select.poll()
        poll.register(self.orders, select.POLLIN)
        poll.register(parent, select.POLLIN)
        while not (self._stopping and not self._workers):
            for fd, _ in poll.poll():
                if fd == parent:
                    return
                if fd == self.orders.fileno():
                    if not self._obey(poll):
                        return
                else:
                    poll.unregister(fd)
                    self._bury(fd)

    def _obey(self, poll: Any) -> bool:
        order, fds = wire.hear(self.orders, self._buffer)
        if order is None:
            return False
        kind = order[0]
        if kind in ("worker", "nursery"):
            pidfd = self._fork(kind, order[1], order[2], fds[0])
            poll.register(pidfd, select.POLLIN)
        elif kind == "kill":
            if order[1] in self._workers.values():
                processes.kill(order[1])
        elif kind == "learn":
            wire.tell(self.orders, ("learnt", self._learn(order[1])))
        elif kind == "settle":
            self._settle(*order[1:])
        elif kind == "stop":
            self._stopping = True
            poll.unregister(self.orders)
        return True

    def _fork(self, kind: str, slot: int, how: dict[str, Any], fd: int) -> int:
        child = processes.fork()
        if child == 0:
            try:
                processes.end_with_parent(self.pid)
                self._become(kind, slot, how, fd)
            except BaseException:
                processes.show_error()
            finally:
                os._exit(1)
        os.close(fd)
        wire.tell(self.orders, ("forked", slot, how["generation"], child))
        pidfd = os.pidfd_open(child)
        self._workers[pidfd] = child
        return pidfd

    def _become(self, kind: str, slot: int, how: dict[str, Any], fd: int) -> None:
        """Go on as a worker, or as a nursery."""
        self.orders.close()
        for each in self._workers:
            os.close(each)
        disown()
        link = wire.link(fd)
        if kind == "nursery":
            from workerstate.engine.nursery import Nursery

            Nursery(self, slot, link, how["standby"]).run()
        else:
            processes.leave_children()
            serve(self, slot, link, report=True)
            end()

    def _bury(self, pidfd: int) -> None:
        child = self._workers.pop(pidfd)
        os.close(pidfd)
        _, status = os.waitpid(child, 0)
        if not self._stopping:
            wire.tell(self.orders, ("died", child, status))

    def _learn(self, names: list[str]) -> list[str]:
        """Import modules, if that leaves this process fit for forking; give those it has now."""
        child = processes.fork()
        if child == 0:
            fit = False
            try:
                _import(names)
                fit = not culprits()
            finally:
                os._exit(0 if fit else 1)
        if os.waitpid(child, 0)[1] != 0:
            return []
        _import(names)
        flush_all()
        heap.prepare(huge=self.often)
        return names

    def _settle(self, settings: bytes | None, fingerprint: str) -> None:
        """Match the parent's settings of now; a worker that is forked later has no more to do."""
        from workerstate.workerside import Stamp

        stamp = Stamp(b"", self.here.birth.fleet, fingerprint, settings, None, 0, 0)
        processes.leave_children()
        with suppress(Exception):  # the task that brings these settings will try, and say it
            starting.catch_up(self.here, stamp)
        processes.take_children()


def serve(template: Template, slot: int, link: wire.Link, *, report: bool) -> None:
    """Be a worker of the template: start, and take tasks until there are no more."""
    if enter(preparing.place(template.here, slot), link, report=report):
        cell = template.board.cell(slot)
        Server(link, template.arena, cell, template.here.birth, template.shared).serve()


def enter(here: Here, link: wire.Link, *, report: bool, ready: bool = False) -> bool:
    """Start this process as a worker; if that fails, tell the parent and give False.

    Args:
        here: what it is to be.
        link: the socket to the parent.
        report: whether the parent is to hear of the start.
        ready: what ``preparing.make_ready`` gave before the fork.
    """
    here.pid = os.getpid()
    if not ready:
        preparing.enter(here, report=report)
    if here.failure is None:
        if preparing.has_own(here.birth):
            try:
                wire.tell_ready(link)
            except OSError:  # the parent has no more use for this worker
                return False
        if serving.watcher is not None:
            who = here.who
            serving.watcher.forked(who.number, who.parent_pid, single=not report)
        return True
    wire.tell_failure(link, here.failure)
    return False


def main(orders_fd: int, start_fd: int, arena_fd: int, board_fd: int) -> None:
    """Be a template: what the parent executes.

    Args:
        orders_fd: the socket to the parent.
        start_fd: a file with what it is to be, pickled.
        arena_fd: the shared file for what is big.
        board_fd: the shared memory in which workers say what they are doing.
    """
    for fd in (orders_fd, start_fd, arena_fd, board_fd):  # that they were was for this exec
        os.set_inheritable(fd, False)
    orders = wire.link(orders_fd)
    processes.pass_interrupts()
    parent = os.pidfd_open(os.getppid())
    with open(start_fd, "rb") as file:
        start = pickle.load(file)
    watch = _watch_parent(parent)
    sys.argv[:] = start["argv"]
    if start["process"] is not None:
        _be_child(parent, *start["process"])
    often, known = start["often"], processes.written()
    if often and start["imports"]:
        heap.reserve()
    here, failure = _prepare(start)
    processes.take_children()
    if start["process"] is None and "logging" in sys.modules:
        _be_child(parent)  # records tell the name of their process
    wrong = [] if failure is not None else culprits()
    if failure is None and not wrong:
        flush_all(known)
        heap.prepare(huge=often, collect=start["code"])
    _end_watch(*watch)
    if here is None or failure is not None or wrong:
        with suppress(OSError):  # the parent has gone
            wire.tell(orders, ("failed", failure and wire.pickled_failure(failure), wrong))
        _leave(here)
    board = Board(start["workers"], board_fd)
    template = Template(orders, Arena(arena_fd), board, here, often=often)
    with suppress(ConnectionError):  # the parent has gone
        wire.tell(orders, ("ready", os.getpid()))
        try:
            template.run(parent)
        except TemplateError as error:
            wire.tell(orders, ("failed", wire.pickled_failure(error), []))
    start_reports.remove_if_left(here.birth.folder)
    _leave(here)


def _be_child(parent: int, name: str = "MainProcess", key: bytes | None = None) -> None:
    """Be a child of the parent to multiprocessing: to its managers, and to who asks where it is."""
    process: Any = __import__("multiprocessing.process", fromlist=["_"])
    if key is not None:
        process.current_process().authkey = key
    process._parent_process = process._ParentProcess(name, os.getppid(), parent)


def _prepare(start: dict[str, Any]) -> tuple[Here | None, WorkerStartError | None]:
    """Become what the parent orders; what goes wrong is given."""
    with rare_collections():
        birth, failure = preparing.read(
            preparing.TEMPLATE, start["birth"], start["main"], start["early"]
        )
    if failure is not None:
        return None, failure
    here = preparing.prepare(birth, start["settings"], start["fingerprint"])
    return here, here.failure


def _leave(here: Here | None) -> NoReturn:
    """End this process, its resources closed; freeing its memory piece by piece would take long."""
    if here is not None:
        here.close()
    _unlink_semaphores()
    flush_all()
    os._exit(0)


def _unlink_semaphores() -> None:
    """Remove the names of the semaphores that were made here, as multiprocessing does at exit."""
    util: Any = sys.modules.get("multiprocessing.util")
    synchronize: Any = sys.modules.get("multiprocessing.synchronize")
    if synchronize is not None:
        for each in list(util._finalizer_registry.values()):
            if each._callback == synchronize.SemLock._cleanup:
                each()


def _watch_parent(parent: int) -> tuple[int, int]:
    """Have this process killed if the parent ends while it is busy importing.

    Gives the process that does so, and the pipe by which it is told that it is needed no more.
    """
    me = os.getpid()
    near, far = os.pipe()
    watch = processes.fork()
    if watch == 0:
        try:
            os.close(far)
            processes.end_with_parent(me)
            poll = select.poll()
            poll.register(parent, select.POLLIN)
            poll.register(near, select.POLLIN)
            if any(fd == parent for fd, _ in poll.poll()):
                processes.kill(me)
        finally:
            os._exit(0)
    os.close(near)
    return watch, far


def _end_watch(watch: int, pipe: int) -> None:
    # Not killed: what started may have made this process another user's. Nor by the pipe's end,
    # which what started may have forked a process with.
    with suppress(BrokenPipeError):  # it has seen that the parent has gone
        os.write(pipe, b".")
    os.close(pipe)
    with suppress(ChildProcessError):  # the program waits for all children
        os.waitpid(watch, 0)


def _import(names: list[str]) -> None:
    for name in names:
        try:
            __import__(name)
        except Exception:  # the task that needs it says so
            pass
