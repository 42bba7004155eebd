"""Futures that are cheap to make: what nobody has asked for is not there.

A ``concurrent.futures.Future`` makes a condition, a queue and two lists, a dozen objects for the
garbage collector; most futures are only set once and asked once. These share one lock per pool, and
get the rest when somebody registers a callback, or waits for several of them.
"""

from __future__ import annotations

import math
from _thread import allocate_lock
from concurrent.futures import Future
from concurrent.futures._base import (
    CANCELLED,
    CANCELLED_AND_NOTIFIED,
    FINISHED,
    LOGGER,
    PENDING,
    RUNNING,
)
from threading import Condition
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _thread import LockType, RLock
    from collections.abc import Callable
    from typing import Any

# Seconds of one wait. An interrupt (Ctrl-C) that comes as a wait begins, while the interpreter lets
# another thread run, ends no wait: it is seen when the next one begins.
LOOK = 0.5
_OPEN = (PENDING, RUNNING)
_DONE = (FINISHED, CANCELLED, CANCELLED_AND_NOTIFIED)
# What the base class makes for each future.
_PARTS: dict[str, Callable[[], Any]] = {
    # With a lock of its own: who waits for several takes all of theirs, in the futures' order.
    "_condition": Condition,
    "_waiters": list,
    "_done_callbacks": list,
}


class TaskFuture(Future):  # type: ignore[type-arg]
    """The future of a task; for all who use it a ``concurrent.futures.Future``.

    Args:
        lock: of all futures of the pool; under it their state is looked at and set, and no more.
    """

    _state = PENDING
    _result: Any = None
    _exception: BaseException | None = None
    _is_watched = False  # the base class's parts are there
    _sleepers: tuple[LockType, ...] = ()  # one for each thread that waits for this future alone

    def __init__(self, lock: RLock) -> None:
        # Not the base class's: see the module.
        self._lock = lock

    def __getattr__(self, name: str) -> Any:
        make = _PARTS.get(name)
        if make is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        with self._lock:
            # Whoever settles the future looks at this under the same lock.
            self._is_watched = True
            return self.__dict__.setdefault(name, make())

    def set_running_or_notify_cancel(self) -> bool:
        """Mark the task as running; False if it was cancelled."""
        with self._lock:
            if not self._is_watched and self._state == PENDING:
                self._state = RUNNING
                return True
        return super().set_running_or_notify_cancel()

    def set_result(self, result: Any) -> None:
        """Give the result to whoever waits for it.

        Raises:
            InvalidStateError: there is one already, or the task was cancelled.
        """
        with self._lock:
            if not self._is_watched and self._state in _OPEN:
                self._result = result
                self._state = FINISHED
                for each in self._sleepers:
                    each.release()
                return
        super().set_result(result)

    def result(self, timeout: float | None = None) -> Any:
        """Give the result, or raise what the task raised; as the base class does."""
        if self._state not in _DONE:
            self._sleep(timeout)
        if self._state == FINISHED and self._exception is None:
            return self._result
        return super().result(0)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Give what the task raised, or None; as the base class does."""
        if self._state not in _DONE:
            self._sleep(timeout)
        return super().exception(0)

    def _sleep(self, timeout: float | None) -> None:
        """Wait until it is done, for so many seconds at most."""
        sleeper = allocate_lock()
        sleeper.acquire()
        with self._lock:
            if self._state in _DONE:
                return
            self._sleepers = (*self._sleepers, sleeper)
        woken = False
        end = math.inf if timeout is None else monotonic() + timeout
        try:
            while not woken and (left := end - monotonic()) > 0:
                woken = sleeper.acquire(True, min(left, LOOK))
        finally:
            if not woken:
                with self._lock:
                    self._sleepers = tuple(each for each in self._sleepers if each is not sleeper)

    def _invoke_callbacks(self) -> None:
        """Tell who waits, then who has registered: the base class calls this when it is done."""
        self._wake()
        for each in self._done_callbacks:
            try:
                each(self)
            except (Exception, SystemExit):  # what others wait for is not theirs to end
                LOGGER.exception("exception calling callback for %r", self)

    def _wake(self) -> None:
        with self._lock:
            if self._state in _DONE:
                sleepers, self._sleepers = self._sleepers, ()
                for each in sleepers:
                    each.release()
