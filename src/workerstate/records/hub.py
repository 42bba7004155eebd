"""The parent's side: workers' records reach the parent's handlers through here.

hub = records.hub.shared()
...start workers, each with hub.address()...
hub.drain(timeout=5)
"""

from __future__ import annotations

import os
import threading
import time

from workerstate.records.channels import RecordChannel
from workerstate.records.exits import before_handlers_close
from workerstate.records.intake import Intake
from workerstate.records.reader import Reader
from workerstate.records.rendezvous import Address, check_platform

TYPE_CHECKING = False
if TYPE_CHECKING:
    from workerstate.records.channels import Channel

# Seconds. A handler that takes longer than the first is waited for neither by a fork nor by a stop.
_PATIENCE = 1.0
_LAUNCH_PATIENCE = 2.0
_EXIT_PATIENCE = 30.0


class Hub:
    """Takes the records of all workers of this process; ``shared()`` gives the one to use.

    Raises:
        RecordsUnavailableError: on a platform without Unix sockets that pass descriptors.
    """

    def __init__(self) -> None:
        check_platform()
        self._pid = os.getpid()
        self._stopped = False
        self._intake = Intake()
        self._reader = Reader(self._intake)
        _hook_fork()
        _live.append(self)
        self._forget_exit = before_handlers_close(self._at_exit)

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
        """Wait until all that workers have written up to now has been handled.

        Returns:
            Whether that was so within ``timeout`` seconds. False if a worker that was ``expect``-ed
            hasn't connected, if a handler doesn't return, and in a handler.
        """
        goals: dict[Channel, float] = {}
        return self._reader.ask(lambda: self._reached(goals), timeout)

    def stop(self, timeout: float = 5.0) -> bool:
        """Handle all records until every worker has ended, then close; at the deadline in any case.

        A worker that logs after that writes to its stderr; what it logs at that very moment may be
        lost. A handler that doesn't return is waited for two seconds longer, to read what is there.

        Returns:
            Whether every worker has ended, so that nothing can be missing.
        """
        if self._stopped:
            return True
        deadline = time.monotonic() + timeout
        ended: list[bool] = []
        self._reader.ask(lambda: self._close_at(deadline, ended), timeout + 2 * _PATIENCE)
        self._close()  # in case that a handler has kept the reader from it
        self._reader.join(_PATIENCE)
        return ended == [True]

    def _reached(self, goals: dict[Channel, float]) -> bool:
        """Tell whether each channel was read as far as it was written when first seen here."""
        self._intake.admit()
        waiting = self._intake.expecting()
        for channel in self._intake.channels:
            goal = goals.get(channel)
            if goal is None:
                goal = goals[channel] = channel.written()
            waiting = waiting or channel.taken < goal or channel.busy
        return not waiting

    def _close_at(self, deadline: float, ended: list[bool]) -> bool:
        """Close, by the reader itself: between its last read and the end no record shall come."""
        self._intake.admit()
        all_ended = not self._intake.expecting() and not self.workers
        if not all_ended and time.monotonic() < deadline:
            return False
        self._intake.exhaust(_PATIENCE)
        self._close()
        ended.append(all_ended)
        return True

    def _close(self) -> None:
        if not self._stopped:
            self._stopped = True
            self._reader.end()
            self._forget_exit()
            if self in _live:
                _live.remove(self)
            self._intake.close()

    def _at_exit(self) -> None:
        if self._pid == os.getpid() and not self._stopped:
            missing = self._intake.expected
            if missing and not self.drain(_LAUNCH_PATIENCE):
                self._intake.expect(-missing)
            self.drain(_EXIT_PATIENCE)
            self.stop(0)

    def _abandon(self) -> None:
        """Let go of everything in a forked process, where it belongs to the parent."""
        self._stopped = True
        self._reader.abandon()
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


def _hook_fork() -> None:
    global _hooked
    if not _hooked:
        _hooked = True
        os.register_at_fork(
            before=_before_fork, after_in_parent=_after_in_parent, after_in_child=_after_in_child
        )


def _before_fork() -> None:
    paused = _paused[threading.get_ident()] = []
    for hub in list(_live):
        if hub._reader.pause(_PATIENCE):
            paused.append(hub)


def _after_in_parent() -> None:
    for hub in _paused.pop(threading.get_ident(), []):
        hub._reader.resume()


def _after_in_child() -> None:
    """Leave the parent's hubs to the parent: a worker must not keep its own pipe's other end."""
    global _shared, _making
    _making = threading.RLock()
    _shared = None
    for hub in _live:
        hub._abandon()
    _live.clear()
    _paused.clear()
