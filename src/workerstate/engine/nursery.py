"""The nursery of one slot: forks a worker for each task, and has the next one waiting.

It is a fork of the template. Each of its workers has a socket of its own, whose other end goes to
the parent; so the parent knows which process it gives a task to. A worker that has ended is told
together with the one that takes its place.
"""

from __future__ import annotations

import os
import socket
import sys

from workerstate.engine import processes, wire
from workerstate.engine.ending import end
from workerstate.engine.serving import Server
from workerstate.engine.template import enter
from workerstate.preparing import place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from workerstate.engine.template import Template


class Nursery:
    """Forks the workers of one slot.

    Args:
        template: what this process was forked from.
        slot: the number of its workers, of which one runs at a time.
        link: the socket to the parent.
        standby: how many workers wait while one runs.
    """

    def __init__(self, template: Template, slot: int, link: socket.socket, standby: int) -> None:
        self.template = template
        self.slot = slot
        self.link = link
        self.pid = os.getpid()
        self.here = place(template.here, slot)
        self._most = standby + 1
        self._alive: set[int] = set()
        cell = template.board.cell(slot)
        self._server = Server(link, template.arena, cell, template.here.birth)

    def run(self) -> None:
        """Fork a worker whenever one has ended, until the parent has no more use for them."""
        processes.adopt_orphans()
        ended: list[tuple[int, int]] = []
        try:
            while True:
                replaced = self._is_replaced()
                while len(self._alive) < self._most and not replaced:
                    self._fork(ended)
                    ended = []
                if ended:
                    wire.tell(self.link, ("ended", 0, ended))
                    ended = []
                if not self._alive:
                    os._exit(0)
                child, status = os.waitpid(-1, 0)
                if child in self._alive:
                    self._alive.discard(child)
                    ended.append((child, status))
                    self._sweep()
        except (ConnectionError, BrokenPipeError):
            self._wait_for_all()
            os._exit(0)

    def _is_replaced(self) -> bool:
        """Tell whether the parent has said, by closing its side, that it wants no more workers."""
        try:
            return not self.link.recv(1, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False

    def _fork(self, ended: list[tuple[int, int]]) -> None:
        near, far = wire.pair()
        child = os.fork()
        if child == 0:
            try:
                processes.end_with_parent(self.pid)
                near.close()
                self._serve_one(far)
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

    def _serve_one(self, end_of_link: socket.socket) -> None:
        self.link.close()
        server = self._server
        server.end = end_of_link
        if enter(self.here, end_of_link, report=False):
            known = len(sys.modules)
            if server.serve_one() and len(sys.modules) != known:
                server.tell_imports(known)
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
