"""The thread that reads all workers, and how it is stopped: for a fork, for a while, for good.

Whoever forks stops it first, so that no child inherits one of the handlers' locks or a half-written
buffer from it, nor Python 3.12 a reason to warn.
"""

from __future__ import annotations

import collections
import os
import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from workerstate.records.intake import Intake

NAME = "workerstate-records"
_NAP = 2  # milliseconds between two rounds while workers log less than can be read
_ROUND = 0.05  # seconds that a round may wait for workers while someone has asked for something


class Reader:
    """Pumps an intake in a thread of its own."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._thread: threading.Thread | None = None
        self._running = False
        self._ended = False
        self._pumper = 0  # the thread that is inside a round, for handlers that call the hub
        self._questions: collections.deque[tuple[Callable[[], bool], threading.Event]]
        self._questions = collections.deque()
        # _control: one pauses at a time; _state: the thread's decision to end against a resume.
        self._control = threading.Lock()
        self._state = threading.Lock()
        self.resume(paused=False)

    def ask(self, done: Callable[[], bool], timeout: float) -> bool:
        """Read on until ``done()``, which is called between rounds, by the thread that reads.

        Returns:
            Whether it was true within ``timeout`` seconds. False in a handler, and while a handler
            doesn't return.
        """
        if self._ended or threading.get_ident() == self._pumper:
            return False
        answered = threading.Event()
        question = (done, answered)
        self._questions.append(question)
        deadline = time.monotonic() + timeout
        self._intake.wake()
        try:
            while not answered.is_set():
                left = deadline - time.monotonic()
                if left <= 0 or self._ended:
                    return answered.is_set()
                if self._running or not self._read_here(left):
                    answered.wait(min(left, 0.1))
            return True
        finally:
            if question in self._questions:
                self._questions.remove(question)

    def pause(self, timeout: float) -> bool:
        """Stop the thread, unless it is stuck in a handler; on True, ``resume`` must follow."""
        if self._ended or threading.get_ident() == self._pumper:
            return False
        if not self._control.acquire(timeout=timeout):
            return False
        try:
            self._intake.interrupted = True
            self._intake.wake()
            thread = self._thread
            if thread is not None:
                thread.join(timeout)
                if thread.is_alive():
                    self.resume()
                    return False
                _let_go(thread)
        except BaseException:  # Ctrl-C
            self.resume()
            raise
        return True

    def resume(self, *, paused: bool = True) -> None:
        """Let the thread go on, or start one where it has ended."""
        with self._state:
            self._intake.interrupted = self._ended
            start = not self._running and not self._ended
            self._running = self._running or start
        if start:
            # Known before it runs, so that the next pause can't miss it.
            self._thread = threading.Thread(target=self._run, name=NAME, daemon=True)
            try:
                self._thread.start()
            except RuntimeError:  # the interpreter is shutting down: whoever asks reads
                self._running, self._thread = False, None
        if paused:
            self._control.release()

    def end(self) -> None:
        """Let the thread end after this round and never start again."""
        with self._state:
            self._ended = True
            self._intake.interrupted = True
        self._intake.wake()

    def join(self, timeout: float) -> None:
        """Wait for the thread's end, unless this is it."""
        if self._thread is not None and threading.get_ident() != self._pumper:
            self._thread.join(timeout)

    def abandon(self) -> None:
        """Forget a thread that a fork has not brought along."""
        self._ended = True
        self._running = False
        self._thread = None

    def _run(self) -> None:
        self._pumper = threading.get_ident()
        while True:
            with self._state:
                if self._intake.interrupted:
                    self._running = False
                    self._pumper = 0
                    return
            self._round()

    def _round(self) -> None:
        waiting = bool(self._questions)
        more = self._intake.pump(_ROUND if waiting else None)
        for done, answered in list(self._questions):
            if not self._intake.interrupted and done():
                answered.set()
        if not (more or self._questions or self._intake.interrupted):
            self._intake.nap(_NAP)

    def _read_here(self, timeout: float) -> bool:
        """Do a round in this thread, where there is no other to do it."""
        if not self._control.acquire(timeout=timeout):
            return False
        try:
            if self._running or self._ended:
                return False
            self._intake.interrupted = False
            self._pumper = threading.get_ident()
            self._round()
            return True
        finally:
            self._pumper = 0
            self._control.release()


def _let_go(thread: threading.Thread) -> None:
    """Wait until the kernel has ended a joined thread, 50 ms at most.

    Before Python 3.13 ``join`` returns a moment earlier, and 3.12's warning about forking with
    threads asks the kernel (cpython#100228).
    """
    path = f"/proc/self/task/{thread.native_id}"
    deadline = time.monotonic() + 0.05
    while os.path.exists(path) and time.monotonic() < deadline:
        time.sleep(0.0002)
