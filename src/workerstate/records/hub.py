"""The parent's side: one thread that reads all workers and lets the parent's handlers write.

    hub = records.hub.shared()
    ...start workers, each with hub.address()...
    hub.drain(timeout=5)

The thread is stopped while this process forks, so that no child inherits one of the handlers' locks
or a half-written buffer from it, and is started again after.
"""

from __future__ import annotations

import os
import threading
import time

from workerstate.records.channels import RecordChannel
from workerstate.records.exits import before_handlers_close
from workerstate.records.intake import Intake
from workerstate.records.rendezvous import Address, check_platform

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from workerstate.records.channels import Channel

_NAP = 2  # milliseconds between two rounds while workers log less than can be read
_PATIENCE = 1.0  # a handler that takes longer is not waited for by a fork, nor by a stop(0)
_EXIT_PATIENCE = 30.0
_LAUNCH_PATIENCE = 2.0


class Hub:
    """Takes the records of all workers of this process; ``shared()`` gives the one to use.

    Raises:
        RecordsUnavailableError: on a platform without Unix sockets that pass descriptors.
    """

    def __init__(self) -> None:
        check_platform()
        self._pid = os.getpid()
        self._intake = Intake()
        self._thread: threading.Thread | None = None
        self._running = False
        self._pauses = 0
        self._stopped = False
        # _control: who may pause; _state: the thread's decision to end against a resume.
        self._control = threading.RLock()
        self._state = threading.Lock()
        _hook_fork()
        _live.append(self)
        self._forget_exit = before_handlers_close(self._at_exit)
        self._carry_on()

    def address(self) -> Address:
        """Give what a worker's ``sender.install`` needs; plain and picklable."""
        return self._intake.listener.address

    def expect(self, count: int) -> None:
        """Say that so many workers were launched, which ``drain`` and ``stop`` then wait for.

        Each worker that connects takes one off. A negative number takes back what was said of
        workers that died before they connected.
        """
        self._intake.expect(count)

    @property
    def received(self) -> int:
        """Give how many records have been handled."""
        return self._intake.received

    @property
    def dropped(self) -> int:
        """Give how many records workers have said they dropped (``on_full="drop"``)."""
        return self._intake.dropped

    @property
    def reconnected(self) -> int:
        """Give how many processes forked from workers have connected on their own."""
        return self._intake.reconnected

    @property
    def refused(self) -> int:
        """Give how many strangers have been turned away."""
        return self._intake.listener.refused

    @property
    def torn(self) -> int:
        """Give how many records were left half-sent by workers that died inside ``emit``."""
        return self._intake.torn

    @property
    def workers(self) -> int:
        """Give how many workers are connected."""
        return sum(isinstance(c, RecordChannel) for c in self._intake.channels)

    def drain(self, timeout: float = 5.0) -> bool:
        """Handle, in this thread, all that workers have written up to now.

        Returns:
            Whether that was done within ``timeout`` seconds. False also if a worker that was
            ``expect``-ed hasn't connected, if a handler doesn't return, and in a handler.
        """
        deadline = time.monotonic() + timeout
        if not self._pause(timeout):
            return False
        try:
            goals: dict[Channel, float] = {}
            return self._pump_until(lambda: self._reached(goals), deadline)
        finally:
            self._resume()

    def stop(self, timeout: float = 5.0) -> bool:
        """Handle all records until every worker has ended, then close; at the deadline in any case.

        A worker that logs after that writes to its stderr; what it logs at that very moment may be
        lost. A handler that doesn't return is waited for a second at least.

        Returns:
            Whether every worker has ended, so that nothing can be missing.
        """
        if self._stopped:
            return True
        deadline = time.monotonic() + timeout
        paused = self._pause(max(timeout, _PATIENCE))
        self._stopped = True
        self._intake.interrupted = not paused
        try:
            ended = paused and self._pump_until(self._all_ended, deadline)
            if paused:
                self._intake.exhaust()
            return ended
        finally:
            self._forget_exit()
            _discard(self)
            self._intake.close()
            if paused:
                self._control.release()

    def _pump_until(self, done: Callable[[], bool], deadline: float) -> bool:
        """Read in this thread, which has paused the other one, until ``done()``."""
        self._intake.interrupted = False
        while True:
            self._intake.admit()
            if done():
                return True
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self._intake.pump(min(left, 0.05))

    def _reached(self, goals: dict[Channel, float]) -> bool:
        """Tell whether each channel was read as far as it was written when first seen here."""
        waiting = self._intake.expected > 0 or self._intake.listener.waiting()
        for channel in self._intake.channels:
            goal = goals.get(channel)
            if goal is None:
                goal = goals[channel] = channel.written()
            waiting = waiting or channel.taken < goal or channel.busy
        return not waiting

    def _all_ended(self) -> bool:
        waiting = self._intake.expected > 0 or self._intake.listener.waiting()
        return not waiting and self.workers == 0

    def _at_exit(self) -> None:
        if self._pid == os.getpid() and not self._stopped:
            self._pump_expected()
            self.drain(_EXIT_PATIENCE)
            self.stop(0)

    def _pump_expected(self) -> None:
        """Give workers that were launched a moment ago a moment to connect."""
        missing = self._intake.expected
        if missing and not self.drain(_LAUNCH_PATIENCE):
            self._intake.expect(-missing)

    def _run(self) -> None:
        intake = self._intake
        while True:
            with self._state:
                if intake.interrupted:
                    self._running = False
                    return
            if not intake.pump(None):
                intake.nap(_NAP)

    def _pause(self, timeout: float) -> bool:
        """Stop the thread, unless it is stuck in a handler; on True, ``_resume`` must follow."""
        if self._stopped or threading.current_thread() is self._thread:
            return False
        if not self._control.acquire(timeout=timeout):
            return False
        self._intake.interrupted = True
        self._intake.wake()
        if self._thread is not None:
            self._thread.join(timeout)
            if self._thread.is_alive():
                self._carry_on()
                self._control.release()
                return False
            _let_go(self._thread)
        self._pauses += 1
        return True

    def _resume(self) -> None:
        self._pauses -= 1
        if self._pauses:  # this process forked in a handler that ``drain`` has called
            self._intake.interrupted = False
        else:
            self._carry_on()
        self._control.release()

    def _carry_on(self) -> None:
        """Let the thread go on, or start one where it has ended."""
        with self._state:
            self._intake.interrupted = False
            if self._running or self._stopped:
                return
            self._running = True
        # Known before it runs: a handler that calls ``drain`` must be recognised from the first.
        thread = threading.Thread(target=self._run, name="workerstate-records", daemon=True)
        self._thread = thread
        try:
            thread.start()
        except RuntimeError:  # the interpreter is shutting down: drain and stop do without
            self._running = False
            self._thread = None

    def _abandon(self) -> None:
        """Let go of everything in a forked process, where it belongs to the parent."""
        self._stopped = True
        self._thread = None
        self._control = threading.RLock()
        self._state = threading.Lock()
        self._intake.abandon()


_live: list[Hub] = []
_paused: dict[int, list[Hub]] = {}  # by the thread that forks
_shared: Hub | None = None
_making = threading.RLock()
_hooked = False


def shared() -> Hub:
    """Give this process's hub; started when first asked for, and anew after a fork or a stop.

    Raises:
        RecordsUnavailableError: on a platform without Unix sockets that pass descriptors.
    """
    global _shared
    with _making:
        if _shared is None or _shared not in _live:
            _shared = Hub()
        return _shared


def owns(address: Address) -> bool:
    """Tell whether a hub of this very interpreter has that address."""
    return any(hub.address() == address for hub in _live)


def _discard(hub: Hub) -> None:
    if hub in _live:
        _live.remove(hub)


def _hook_fork() -> None:
    global _hooked
    if not _hooked:
        _hooked = True
        os.register_at_fork(
            before=_before_fork, after_in_parent=_after_in_parent, after_in_child=_after_in_child
        )


def _let_go(thread: threading.Thread) -> None:
    """Wait until the kernel has ended a joined thread, 50 ms at most.

    Before Python 3.13 ``join`` returns a moment earlier, and 3.12's warning about forking with
    threads asks the kernel (cpython#100228).
    """
    path = f"/proc/self/task/{thread.native_id}"
    deadline = time.monotonic() + 0.05
    while os.path.exists(path) and time.monotonic() < deadline:
        time.sleep(0.0002)


def _before_fork() -> None:
    _paused[threading.get_ident()] = [hub for hub in _live if hub._pause(_PATIENCE)]


def _after_in_parent() -> None:
    for hub in _paused.pop(threading.get_ident(), []):
        hub._resume()


def _after_in_child() -> None:
    """Leave the parent's hubs to the parent: a worker must not keep its own pipe's other end."""
    global _shared, _making
    _making = threading.RLock()
    _shared = None
    for hub in _live:
        hub._abandon()
    _live.clear()
    _paused.clear()
