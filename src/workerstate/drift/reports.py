"""The file through which the parent hears of drift: one per fleet, in the parent's folder.

A worker appends before its task's result goes out, each change with one write, so that whoever has
the result finds what there is to say of it, on any backend, whether or not the task failed, and
though the worker is killed next.
"""

from __future__ import annotations

import marshal
import os
from _thread import allocate_lock

from workerstate.drift.change import Drift
from workerstate.errors import DriftWarning, outside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_NAME = "drift"
_SIZE = 4  # bytes that tell the length of what follows


class Outbox:
    """The worker's side; what was told once of a function, facet and key is not told again."""

    def __init__(self, place: str) -> None:
        self._path = os.path.join(place, _NAME)
        self._place = place
        self._told: set[tuple[str, ...]] = set()

    def tell(self, changes: Iterable[Drift]) -> None:
        """Tell the parent, or, where it is on another machine, who reads this worker's log."""
        for change in changes:
            key = (change.task, change.facet, change.key, change.policy, change.problem)
            if key in self._told:
                continue
            self._told.add(key)
            if not self._write(change):
                import logging

                logging.getLogger("workerstate.drift").warning("%s", change)

    def _write(self, change: Drift) -> bool:
        if not os.path.isdir(self._place):
            if not os.path.isdir(os.path.dirname(self._place)):
                return False
            os.makedirs(self._place, 0o700, exist_ok=True)  # a fleet in the parent's own process
        data = marshal.dumps(tuple(change.__dict__[name] for name in Drift._fields))
        try:
            file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                os.write(file, len(data).to_bytes(_SIZE, "little") + data)
            finally:
                os.close(file)
        except OSError:
            return False
        return True


class Inbox:
    """The parent's side: hears what is told from now on."""

    def __init__(self, place: str) -> None:
        self._path = os.path.join(place, _NAME)
        self._read = self._size()
        self._all: list[Drift] = []
        self._untold: list[Drift] = []
        self._said: set[tuple[str, str, str]] = set()
        self._lock = allocate_lock()

    def all(self) -> list[Drift]:
        """Give every change that workers have told of, in their order."""
        self._look()
        return list(self._all)

    def warn(self) -> None:
        """Warn of what is new: once for each function, facet and key, whichever worker it was.

        The warning is for the line that asked this package for a result.

        Raises:
            DriftWarning: warnings are errors here. The others are left for the next call.
        """
        self._look()
        while self._untold:
            try:
                change = self._untold.pop(0)
            except IndexError:  # another thread was faster
                return
            import warnings

            warnings.warn(DriftWarning(change), stacklevel=outside())

    def _look(self) -> None:
        if self._size() == self._read:
            return
        with self._lock:
            with open(self._path, "rb") as file:
                file.seek(self._read)
                data = file.read()
            at = 0
            while at + _SIZE <= len(data):
                end = at + _SIZE + int.from_bytes(data[at : at + _SIZE], "little")
                if end > len(data):
                    break
                self._take(Drift(*marshal.loads(data[at + _SIZE : end])))
                at = end
            self._read += at

    def _size(self) -> int:
        try:
            return os.stat(self._path).st_size
        except OSError:  # no worker has told anything yet
            return 0

    def _take(self, change: Drift) -> None:
        self._all.append(change)
        key = (change.task, change.facet, change.key)
        if (change.policy == "warn" or change.problem) and key not in self._said:
            self._said.add(key)
            self._untold.append(change)
