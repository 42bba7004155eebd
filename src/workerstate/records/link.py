"""The worker's end of its pipe: whole frames or nothing, and no waiting for a parent that has gone.

A write of at most PIPE_BUF bytes is atomic (POSIX), so neither threads nor signal handlers nor an
exception thrown out of ``send`` can tear a frame, and no lock is needed that a fork could catch
held or a killed worker could keep.
"""

from __future__ import annotations

import errno
import itertools
import os
import select
import threading

from workerstate.records import fallback, variables
from workerstate.records.rendezvous import RECORDS, Hello, knock
from workerstate.records.wire import Encoder, chunks, notice, render

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging
    from collections.abc import Callable
    from typing import Literal

    from workerstate.records.rendezvous import Address

    OnFull = Literal["block", "drop"]

PIPE_BUF = getattr(select, "PIPE_BUF", 512)  # the least that POSIX allows; Windows has none
_BROKEN = (errno.EPIPE, errno.ECONNRESET)
_NOT_OPEN = errno.EBADF
_write = os.write  # one look-up less per record


class _End:
    """A pipe's write end with what the other side has been told through it.

    They are kept in one object since a thread that took the pipe of one and the call sites of
    another would send records that the parent can't read.
    """

    __slots__ = ("abandoned", "dirty", "dropped", "drops", "encoder", "fd", "identities")

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.encoder = Encoder()
        self.identities = itertools.count()
        self.abandoned: set[int] = set()
        self.drops = itertools.count(1)
        self.dropped = 0
        self.dirty = False


class Link:
    """One process's way to the parent's handlers; it connects again after a fork.

    Attributes:
        address: of the hub.
        on_full: what ``send`` does while the parent doesn't keep up: ``"block"`` waits,
            ``"drop"`` counts the record and lets the parent know how many there were.
        pid: the process whose pipe this is.
        gone: the parent takes no records any more; they go to stderr.
    """

    def __init__(self, address: Address, on_full: OnFull) -> None:
        self.address = address
        self.on_full = on_full
        self.pid = os.getpid()
        self.gone = False
        self._used = False
        self._at_exit = False
        self._hub_pid = 0
        self._lock = threading.RLock()
        self._end = _End(-1)

    def open(self) -> bool:
        """Connect to the hub unless connected; False where nobody listens there any more."""
        end = self._end
        return end.fd >= 0 or self._reopen(end)

    def send(self, record: logging.LogRecord, failed: Callable[[logging.LogRecord], None]) -> None:
        """Put ``record`` into the pipe, or, where the parent has gone, onto stderr.

        Where rendering its message raises, ``failed`` is called, inside that ``except`` block. What
        a signal handler of the program throws meanwhile is passed on; nothing else is raised.
        """
        try:
            text = render(record)
            # The record holds the process id already; asking the kernel would cost more.
            moved = record.process != self.pid
        except Exception:
            failed(record)
            return
        if moved and os.getpid() != self.pid:
            self.forget()
        more = variables.now() if variables.carried else None
        end = self._end
        frame, site = end.encoder.encode(record, text, more)
        if end.dirty:
            self._tell(end)
        try:
            if len(frame) <= PIPE_BUF:
                _write(end.fd, frame)
            else:
                self._write_chunks(end, frame)
        except OSError as error:
            self._retry(end, frame, record, text, error)
            return
        if site is not None:
            end.encoder.remember(site)

    def forget(self) -> None:
        """Let go of a pipe that was inherited through fork; the next record opens an own one.

        The parent sees a worker's end by the end of its pipe, so no other process may hold it.
        """
        end, self._end = self._end, _End(-1)
        self.pid = os.getpid()
        self._at_exit = False
        self._lock = threading.RLock()
        _close(end.fd)

    def close(self) -> None:
        """Close the pipe; what was sent still reaches the parent."""
        self.gone = True  # first, so that no other thread's record opens it again
        end, self._end = self._end, _End(-1)
        self.tell_drops(end)
        _close(end.fd)

    def tell_drops(self, end: _End | None = None) -> None:
        """Tell the parent about dropped records now, waiting a second at most for room."""
        end = end or self._end
        while end.dirty and end.fd >= 0 and _writable(end.fd, 1000) and self._tell(end):
            pass

    def _retry(
        self, end: _End, frame: bytes, record: logging.LogRecord, text: str, error: OSError
    ) -> None:
        """Finish a ``send`` that met a full, a closed or a broken pipe."""
        for _ in range(3):
            if error.errno == errno.EAGAIN and self.on_full == "drop":
                self._count_drop(end)
                return
            if error.errno == _NOT_OPEN:
                if not self._reopen(end):
                    break
                end = self._end
                more = variables.now() if variables.carried else None
                frame, _ = end.encoder.encode(record, text, more)
            elif error.errno in _BROKEN:
                self.gone = True
                break
            elif error.errno != errno.EAGAIN:
                raise error  # from a signal handler: a TimeoutError is an OSError too
            try:
                if len(frame) <= PIPE_BUF:
                    self._put(end, frame)
                else:
                    self._write_chunks(end, frame)
                return
            except OSError as another:
                error = another
        fallback.write(record)

    def _write_chunks(self, end: _End, frame: bytes) -> None:
        identity = next(end.identities)
        try:
            for piece in chunks(frame, identity, PIPE_BUF):
                self._put(end, piece)
        except BaseException:
            end.abandoned.add(identity)
            end.dirty = True
            raise

    def _put(self, end: _End, piece: bytes) -> None:
        while True:
            try:
                _write(end.fd, piece)
                return
            except BlockingIOError:
                if self.on_full == "drop":
                    raise
            while not _writable(end.fd, 1000):
                if self._hub_has_gone():
                    raise BrokenPipeError(errno.EPIPE, "the hub has gone")

    def _tell(self, end: _End) -> bool:
        """Send the counts, if there is room or ``on_full`` is to wait for it.

        Without a lock, which an exception thrown by a signal handler could leave held: a count of
        all drops so far, and the identities of what was given up, may be sent twice.
        """
        try:
            end.dirty = False
            abandoned = tuple(sorted(end.abandoned)[:64])
            self._put(end, notice(end.dropped, abandoned))
            end.abandoned.difference_update(abandoned)
            end.dirty = bool(end.abandoned)
        except BaseException as error:
            end.dirty = True
            if isinstance(error, OSError) and error.errno is not None:
                return False
            raise
        return True

    def _reopen(self, bad: _End) -> bool:
        """Open a pipe in place of ``bad``, unless another thread has done so."""
        with self._lock:
            if self._end is not bad:
                return self._end.fd >= 0
            if self.gone:
                return False
            try:
                fd, self._hub_pid = _open_pipe(self.address, again=self._used)
            except (ConnectionError, FileNotFoundError, PermissionError):
                self.gone = True
                return False
            except OSError:  # no descriptors left, say: the next record tries again
                return False
            if self._end is not bad:  # a signal handler logged and was first
                _close(fd)
                return True
            self._used = True
            self._end = _End(fd)
            return True

    def _hub_has_gone(self) -> bool:
        """Tell whether nobody will ever read the pipe, though some process still holds it open.

        Usually a parent that has gone breaks the pipe. Not so where its read end leaked into a
        process that was forked without Python's hooks.
        """
        if not os.path.exists(self.address.path):
            return True
        if self._hub_pid:
            try:
                os.kill(self._hub_pid, 0)
            except ProcessLookupError:
                return True
            except OSError:
                pass
        return False

    def _count_drop(self, end: _End) -> None:
        if not self._at_exit:
            self._at_exit = True
            fallback.at_exit(self.tell_drops)
        # next() is atomic and += is not, be it for threads or for a signal handler that logs.
        end.dropped = next(end.drops)
        end.dirty = True


def _open_pipe(address: Address, *, again: bool) -> tuple[int, int]:
    """Make a pipe, hand its read end to the hub, and give the write end and the hub's pid."""
    read_end, write_end = os.pipe()
    try:
        os.set_blocking(write_end, False)
        hub_pid = knock(address, Hello(RECORDS, os.getpid(), again), read_end)
        return _out_of_the_way(write_end), hub_pid
    except BaseException:
        _close(write_end)
        raise
    finally:
        _close(read_end)


def _out_of_the_way(fd: int) -> int:
    """Move ``fd`` to a high number.

    Programs that close all descriptors (daemons) and open a file would get the freed low number,
    and frames would be written into that file. With a high one the write fails, and we connect
    again.
    """
    import fcntl

    try:
        moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 200)
    except OSError:  # the limit of open files is lower
        return fd
    os.close(fd)
    return moved


def _writable(fd: int, milliseconds: int) -> bool:
    """Wait until a write makes progress or fails; False if the time is over."""
    if fd < 0:
        return True
    waiter = select.poll()
    waiter.register(fd, select.POLLOUT)
    return bool(waiter.poll(milliseconds))


def _close(fd: int) -> None:
    if fd >= 0:
        try:
            os.close(fd)
        except OSError:
            pass
