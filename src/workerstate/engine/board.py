"""What each worker is doing, in memory that survives it.

A worker writes which task it begins before it runs it, and puts results there that it hasn't sent
yet. So when it dies, the parent knows which task it was running, which had ended, and which it
never began.
"""

from __future__ import annotations

import mmap
import os
import struct
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_STATE = struct.Struct("IId")  # the task begun, how many results are kept, when the task began
_BEGUN, _SINCE = struct.Struct("II"), struct.Struct("d")  # its parts; native: each is written whole
_STOP = struct.Struct("<I")  # the task that the worker is not to begin any more
_ROW = struct.Struct("<IBQI")
_AT_STOP = 16
_AT_ROWS = 32
SIZE = 32 << 10  # bytes per worker
ROOM = SIZE - _AT_ROWS

monotonic = time.monotonic  # one clock for all processes of a machine


class Board:
    """The cells of all workers of a pool.

    Args:
        workers: how many.
        fd: of the shared memory, in a worker; without one it is made.
    """

    def __init__(self, workers: int, fd: int = -1) -> None:
        if fd < 0:
            fd = os.memfd_create("workerstate-board", os.MFD_CLOEXEC)
            os.ftruncate(fd, SIZE * workers)
        self.fd = fd
        self._memory = mmap.mmap(fd, SIZE * workers)

    def cell(self, number: int) -> Cell:
        """Give the cell of one worker."""
        return Cell(self._memory, number * SIZE)

    def close(self) -> None:
        """Let go of the memory."""
        self._memory.close()
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class Cell:
    """What one worker is doing."""

    __slots__ = ("_at", "_kept", "_memory", "_used")

    def __init__(self, memory: mmap.mmap, at: int) -> None:
        self._memory = memory
        self._at = at
        self._kept = 0
        self._used = 0

    def begin(self, task: int) -> None:
        """Write that a task begins now (worker)."""
        # The time first: with the number of this task nobody must see that of the one before.
        _SINCE.pack_into(self._memory, self._at + 8, monotonic())
        _BEGUN.pack_into(self._memory, self._at, task, self._kept)

    def begun(self) -> tuple[int, float]:
        """Give the task that was begun last, and when, in seconds of ``monotonic`` (parent)."""
        task, _, at = _STATE.unpack_from(self._memory, self._at)
        return task, at

    def keep(self, number: int, is_value: int, end: int, data: bytes) -> bool:
        """Keep a result until it is sent (worker); False if there is no room."""
        size = _ROW.size + len(data)
        if self._used + size > ROOM:
            return False
        at = self._at + _AT_ROWS + self._used
        _ROW.pack_into(self._memory, at, number, is_value, end, len(data))
        self._memory[at + _ROW.size : at + size] = data
        self._used += size
        self._kept += 1
        task, _, when = _STATE.unpack_from(self._memory, self._at)
        _STATE.pack_into(self._memory, self._at, task, self._kept, when)
        return True

    def sent(self) -> None:
        """Forget what was kept (worker)."""
        if self._kept:
            self._kept = self._used = 0
            task, _, when = _STATE.unpack_from(self._memory, self._at)
            _STATE.pack_into(self._memory, self._at, task, 0, when)

    def kept(self) -> Iterator[tuple[int, int, int, memoryview]]:
        """Give the results that a dead worker had not sent (parent)."""
        _, count, _ = _STATE.unpack_from(self._memory, self._at)
        at = self._at + _AT_ROWS
        for _ in range(count):
            number, is_value, end, size = _ROW.unpack_from(self._memory, at)
            at += _ROW.size
            yield number, is_value, end, memoryview(self._memory[at : at + size])
            at += size

    def clear(self) -> None:
        """Make ready for a new worker (parent)."""
        self._memory[self._at : self._at + _AT_ROWS] = bytes(_AT_ROWS)

    def stops_at(self) -> int:
        """Give the task at which the worker is to leave its packet, unbegun; 0: none (worker)."""
        found: int = _STOP.unpack_from(self._memory, self._at + _AT_STOP)[0]
        return found

    def stop_at(self, task: int) -> None:
        """Say at which task the worker is to leave its packet (parent)."""
        _STOP.pack_into(self._memory, self._at + _AT_STOP, task)
