"""The nursery of one slot: forks a worker for each task, and has the next one waiting.

It is a fork of the template. Each of its workers has a socket of its own, whose other end goes to
the parent; so the parent knows which process it gives a task to. A worker that has ended is told
together with the one that takes its place.

What a fork costs is pages, most of all those that a process writes after it: each is a fault, and a
copy. So the nursery does beforehand what would be the same for each worker; and a worker that has
time until its task comes uses that to write the pages that it will need.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import gc
import os
import select
import sys
from time import monotonic

from workerstate import preparing
from workerstate.engine import processes, serving, wire
from workerstate.engine.board import Board
from workerstate.engine.ending import end, finish
from workerstate.engine.payload import encode
from workerstate.engine.template import enter
from workerstate.errors import TemplateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from workerstate.engine.template import Template

IDLE = 0.005  # seconds without an end of a worker, after which the next one has time
REHEARSALS = 20  # runs after which the interpreter has specialised what it runs (PEP 659)


class Nursery:
    """Forks the workers of one slot.

    Args:
        template: what this process was forked from.
        slot: the number of its workers, of which one runs at a time.
        link: the socket to the parent.
        standby: how many workers wait while one runs.
    """

    def __init__(self, template: Template, slot: int, link: wire.Link, standby: int) -> None:
        self.template = template
        self.slot = slot
        self.link = link
        self.pid = os.getpid()
        self.here = preparing.place(template.here, slot)
        self._most = standby + 1
        self._alive: set[int] = set()
        self._idle = True
        # What a worker does without having been sent it.
        self._trial = encode((int, (), {}, None), template.arena, lambda size: (-1, 0)).data
        cell = template.board.cell(slot)
        birth, shared = template.here.birth, template.shared
        self._server = serving.Server(link, template.arena, cell, birth, shared)
        self._waiting = select.poll()
        self._waiting.register(link, select.POLLIN)

    def run(self) -> None:
        """Fork a worker whenever one has ended, until the parent has no more use for them."""
        processes.adopt_orphans()
        if serving.watcher is None:
            self._rehearse()
        ended: list[tuple[int, int]] = []
        try:
            while True:
                # The parent says, by closing its side, that it wants no more workers.
                replaced = self._waiting.poll(0)
                while len(self._alive) < self._most and not replaced and self._fork(ended):
                    ended = []
                if ended:
                    wire.tell(self.link, ("ended", 0, ended))
                    ended = []
                if not self._alive:
                    os._exit(0)
                since = monotonic()
                child, status = os.waitpid(-1, 0)
                self._idle = monotonic() - since > IDLE
                if child in self._alive:
                    self._alive.discard(child)
                    ended.append((child, status))
                    self._sweep()
        except (ConnectionError, BrokenPipeError):
            self._wait_for_all()
            os._exit(0)

    def _rehearse(self) -> None:
        """Do a few times what a worker does: code that has run before writes less to its pages."""
        near, far = wire.pair()
        alarm = _signal.getsignal(_signal.SIGALRM)  # it is the program's
        cell = Board(1).cell(0)
        server = serving.Server(far, self.template.arena, cell, self.here.birth, None)
        packet = wire.pack_tasks(-1, [(0, self._trial)])
        for _ in range(REHEARSALS):
            processes.end_with_parent(self.template.pid)
            near.send(packet)
            server.serve_one()
            near.recv(wire.LONGEST)
            finish()
            processes.end_soon(0)
        if alarm is not None:
            _signal.signal(_signal.SIGALRM, alarm)
        near.close()
        far.close()
        gc.freeze()

    def _fork(self, ended: list[tuple[int, int]]) -> bool:
        """Fork a worker, and tell who has ended; False where that can't be, but later perhaps."""
        near, far = wire.pair()
        ready = preparing.make_ready(self.here)
        try:
            child = processes.fork()
        except TemplateError:
            if not self._alive:
                os._exit(1)  # the parent says why, if it goes on so
            near.close()
            far.close()
            return False
        if child == 0:
            try:
                processes.end_with_parent(self.pid)
                near.close()
                self._serve_one(far, ready)
            except BaseException:
                processes.show_error()
            finally:
                os._exit(1)
        self._alive.add(child)
        far.close()
        try:
            wire.tell(self.link, ("worker", child, ended), [near.fileno()])
        finally:
            near.close()  # where nobody has taken it, the worker must see that none will come
        return True

    def _serve_one(self, end_of_link: wire.Link, ready: bool) -> None:
        self.link.close()
        processes.leave_children()
        server = self._server
        server.end = end_of_link
        if enter(self.here, end_of_link, report=False, ready=ready):
            known = len(sys.modules)
            if self._idle and serving.watcher is None:
                server.practise(self._trial)
            if server.serve_one() and len(sys.modules) != known:
                server.tell_imports(known)
            if self._idle:
                # Whoever takes the result may wait for this very processor, which the end of a
                # big process would keep for milliseconds.
                os.sched_yield()
        end()

    def _wait_for_all(self) -> None:
        """Let the last worker finish: it would be killed with this process."""
        while self._alive:
            child, _ = os.waitpid(-1, 0)
            self._alive.discard(child)
            self._sweep()

    def _sweep(self) -> None:
        """Kill what a task has left running: it has come to this process when its parent ended.

        But not multiprocessing's resource tracker, which ends by itself when it has cleaned up.
        """
        for each in processes.children():
            if each not in self._alive and not processes.is_tracker(each):
                processes.kill(each)
