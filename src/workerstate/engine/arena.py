"""Memory that the parent and its workers share, for what is too big for a socket.

One anonymous file (memfd), cut into windows. It has no name that could be left behind, isn't
limited by /dev/shm, and goes with the last process that has it open. The parent owns the windows:
one with the arguments of a task belongs to that task, and a *grant* is one that a worker may put
its results into.

What is used again and again stays in memory: writing 32 MB to pages that are there takes a
seventh of the time that the kernel needs to make new ones. So windows are given out last in, first
out, and what lies idle beyond a budget is given back.
"""

from __future__ import annotations

import os
from _thread import RLock

TYPE_CHECKING = False
if TYPE_CHECKING:
    import mmap
    from collections.abc import Buffer  # type: ignore[attr-defined,unused-ignore]

WINDOW = 256 << 20  # bytes of address space; only what is touched takes memory
COUNT = 1024
PAGE = 4096
WARM = 256 << 20  # bytes that may lie idle
_PUNCH = 3  # FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE


class Arena:
    """One process's view of the shared file.

    Args:
        fd: of the file, in a worker; without one the file is made.

    Attributes:
        count: of its windows.
    """

    def __init__(self, fd: int = -1) -> None:
        self.count = COUNT
        if fd < 0:
            fd = os.memfd_create("workerstate", os.MFD_CLOEXEC)
            try:
                os.ftruncate(fd, WINDOW * COUNT)
            except OSError:  # the size of files is limited (ulimit -f): each object has its own
                self.count = 0
        self.fd = fd
        self._open = RLock()
        self._written: dict[int, int] = {}  # how far each window has been written from here
        self._maps: dict[int, mmap.mmap] = {}

    def write(self, offset: int, data: Buffer) -> None:
        """Put ``data`` at ``offset`` (of the file, in bytes).

        Pages that are new are written through the file, which neither zeroes nor faults them;
        those written before are mapped, and from then on copied to.
        """
        view = memoryview(data).cast("B")
        window, start = divmod(offset, WINDOW)
        end = start + view.nbytes
        there = self._mapped(window) if end <= self._written.get(window, 0) else None
        if there is not None:
            there[start:end] = view
            return
        self._written[window] = end
        with self._open:  # once it is closed, the number may be that of another file
            fd = os.dup(self.fd)
        try:
            write_all(fd, view, offset)
        finally:
            os.close(fd)

    def copy(self, offset: int, into: memoryview) -> None:
        """Fill ``into`` from the file at ``offset``."""
        window, start = divmod(offset, WINDOW)
        there = self._mapped(window)
        if there is None:
            read_all(self.fd, into, offset)
        else:
            into[:] = there[start : start + into.nbytes]

    def private(self, offset: int, length: int) -> mmap.mmap:
        """Map a part of the file so that writing to it changes this process's copy alone.

        Args:
            offset: a multiple of PAGE.
            length: in bytes.
        """
        return private(self.fd, length, offset)

    def punch(self, window: int) -> None:
        """Give back the memory of a window that nobody uses."""
        import ctypes

        self._written.pop(window, None)
        libc = ctypes.CDLL(None, use_errno=True)
        long = ctypes.c_long
        libc.fallocate(self.fd, _PUNCH, long(window * WINDOW), long(WINDOW))

    def close(self) -> None:
        """Let go of the file and of what is mapped of it, but for what is still in use."""
        for each in self._maps.values():
            try:
                each.close()
            except BufferError:
                pass
        self._maps.clear()
        with self._open:
            fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def _mapped(self, window: int) -> memoryview | None:
        """Give a window as memory; None where address space is limited (ulimit -v)."""
        import mmap

        found = self._maps.get(window)
        if found is None:
            try:
                found = mmap.mmap(self.fd, WINDOW, offset=window * WINDOW)
            except OSError:
                return None
            self._maps[window] = found
        return memoryview(found)


class Windows:
    """Which windows are free, and how much memory lies in them; the parent's alone.

    Not locked: all calls come under the pool's lock.
    """

    def __init__(self, arena: Arena) -> None:
        self._arena = arena
        self._free = list(range(arena.count - 1, -1, -1))
        self._held: dict[int, int] = {}  # bytes written to each, by anyone
        self.warm = 0

    def take(self) -> int:
        """Give a free window, the one used last if possible; -1 if there is none."""
        if not self._free:
            return -1
        window = self._free.pop()
        self.warm -= self._held.get(window, 0)
        return window

    def note(self, window: int, size: int) -> None:
        """Remember that ``size`` bytes of a window have been written."""
        if size > self._held.get(window, 0):
            self._held[window] = size

    def give_back(self, window: int) -> None:
        """Take a window back; where too much lies idle, its memory goes."""
        size = self._held.get(window, 0)
        if self.warm + size > WARM:
            self._held.pop(window, None)
            self._arena.punch(window)
            size = 0
        self.warm += size
        self._free.append(window)

    def cool(self) -> None:
        """Give back the memory of all free windows."""
        for window in self._free:
            if self._held.pop(window, 0):
                self._arena.punch(window)
        self.warm = 0


def private(fd: int, length: int, offset: int = 0) -> mmap.mmap:
    """Map ``length`` bytes of a file so that writing changes nobody else's."""
    import mmap

    access = mmap.PROT_READ | mmap.PROT_WRITE
    return mmap.mmap(fd, length, flags=mmap.MAP_PRIVATE, prot=access, offset=offset)


def read_all(fd: int, into: memoryview, offset: int) -> None:
    """Fill ``into``; the kernel gives 2 GB at a time."""
    while into.nbytes:
        done = os.preadv(fd, [into], offset)
        into = into[done:]
        offset += done


def write_all(fd: int, view: memoryview, offset: int) -> None:
    """Write all of ``view``; the kernel takes 2 GB at a time."""
    while view.nbytes:
        done = os.pwrite(fd, view, offset)
        view = view[done:]
        offset += done
