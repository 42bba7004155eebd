"""The one thread of a pool in the parent: it waits for all of its sockets, clocks and processes."""

from __future__ import annotations

import heapq
import itertools
import os
import select
import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

IDLE = 1.0  # seconds without an event after which memory that lies idle is given back


class Over(BaseException):
    """Raised by a receiver's ``turn``: there is nothing more to wait for."""


class Receiver:
    """Calls what was registered for a descriptor when there is something to read.

    Args:
        name: of the thread.
        turn: called after each round; gives the seconds to wait at most, or None, and ends the
            thread by raising ``Over``.
        failed: called with what a handler raised: the pool can't go on.
    """

    def __init__(
        self,
        name: str,
        turn: Callable[[], float | None],
        failed: Callable[[BaseException], None],
    ) -> None:
        self._turn = turn
        self._failed = failed
        self._poll = select.epoll()
        self._handlers: dict[int, Callable[[], object]] = {}
        self._alarms: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._near, self._far = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._open = threading.RLock()
        self.add(self._near, self._drain)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def join(self) -> None:
        """Wait for the thread's end; in that thread itself, don't."""
        if self._thread.ident is not None and threading.current_thread() is not self._thread:
            self._thread.join()

    def add(self, fd: int, handler: Callable[[], object]) -> None:
        """Call ``handler`` whenever there is something to read from ``fd``."""
        self._handlers[fd] = handler
        self._poll.register(fd, select.EPOLLIN)

    def remove(self, fd: int) -> None:
        """Forget ``fd``, before it is closed."""
        if self._handlers.pop(fd, None) is not None:
            try:
                self._poll.unregister(fd)
            except OSError:  # it is closed already
                pass

    def __contains__(self, fd: int) -> bool:
        return fd in self._handlers

    def at(self, when: float, call: Callable[[], None]) -> None:
        """Call ``call`` at a time of ``time.monotonic``."""
        heapq.heappush(self._alarms, (when, next(self._order), call))
        first = self._alarms[:1]  # none if the thread has been faster
        if first and first[0][0] == when:
            self.wake()

    def wake(self) -> None:
        """Have the thread look whether there is something to do."""
        with self._open:  # after its end the number may be that of somebody else's pipe
            if self._far >= 0:
                try:
                    os.write(self._far, b"\0")
                except OSError:  # it will look: the pipe is full
                    pass

    def close(self) -> None:
        """Let go of the descriptors; the thread has ended, or never began."""
        self._poll.close()
        with self._open:
            near, far, self._far = self._near, self._far, -1
        for fd in (near, far):
            os.close(fd)

    def _drain(self) -> None:
        try:
            os.read(self._near, 4096)
        except BlockingIOError:
            pass

    def _run(self) -> None:
        try:
            while True:
                try:
                    self._round()
                except Over:
                    return
                except BaseException as error:  # else every future would wait for ever
                    self._failed(error)
        finally:
            self.close()

    def _round(self) -> None:
        wait = self._turn()
        if self._alarms:
            until = max(0.0, self._alarms[0][0] - time.monotonic())
            wait = until if wait is None else min(wait, until)
        for fd, _ in self._poll.poll(-1 if wait is None else wait):
            handler = self._handlers.get(fd)
            if handler is not None:
                handler()
        while self._alarms and self._alarms[0][0] <= time.monotonic():
            heapq.heappop(self._alarms)[2]()
