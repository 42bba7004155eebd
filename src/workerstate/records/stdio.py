"""What a worker prints, and what native code writes to stdout and stderr, to the parent's streams.

    stdio.install(address)      # in a worker; address: from the parent's hub.shared().address()

The descriptors 1 and 2 become pipes to the parent, which passes whole lines on to ``sys.stdout``
and ``sys.stderr`` as they are there: a notebook's, a test runner's, or the terminal's.
"""

from __future__ import annotations

import io
import os
import sys

from workerstate.records import fallback
from workerstate.records.rendezvous import STDERR, STDOUT, Hello, knock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from workerstate.records.rendezvous import Address

_STREAMS = ((1, STDOUT), (2, STDERR))

# descriptor -> (copy of what it was, the stream object that was in sys)
_saved: dict[int, tuple[int, object]] = {}
_pid = 0


def install(address: Address) -> bool:
    """Send what this process and its own children write to stdout and stderr to the parent.

    Whole lines arrive in order; they are in the pipe as soon as they are written, so a worker's
    sudden death loses none. A parent that doesn't keep up makes ``print`` wait; once it has gone,
    writing fails as to any broken pipe. In the hub's own process this does nothing.

    Returns:
        Whether the lines reach the parent's streams. If not, stdout and stderr are left as they
        were.
    """
    global _pid
    if address.pid == os.getpid():  # a subinterpreter's descriptors are those of its process
        return True
    if _saved and _pid == os.getpid():
        return True
    _flush()
    try:
        for fd, kind in _STREAMS:
            _redirect(address, fd, kind)
    except OSError:
        uninstall()
        return False
    _pid = os.getpid()
    fallback.use(_saved[2][0])
    return True


def uninstall() -> None:
    """Put back what stdout and stderr were."""
    _flush()
    for fd, kind in _STREAMS:
        if fd in _saved:
            copy, stream = _saved.pop(fd)
            os.dup2(copy, fd)
            os.close(copy)
            setattr(sys, kind, stream)
    fallback.use(2)


def _redirect(address: Address, fd: int, kind: str) -> None:
    read_end, write_end = os.pipe()
    try:
        knock(address, Hello(kind, os.getpid(), fd in _saved), read_end)
        if fd not in _saved:
            _saved[fd] = (_copy(fd), getattr(sys, kind))
        os.dup2(write_end, fd)
    finally:
        os.close(read_end)
        os.close(write_end)
    setattr(sys, kind, _line_by_line(getattr(sys, kind), fd))


def _copy(fd: int) -> int:
    """Copy ``fd`` to a high number, or a copy of /dev/null where it is closed."""
    import fcntl

    try:
        return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 200)
    except OSError:
        pass
    try:
        return os.dup(fd)
    except OSError:
        return os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)


def _line_by_line(stream: object, fd: int) -> object:
    """Give a stream on ``fd`` that keeps nothing back; a buffer would die with the worker.

    A notebook's stream, which a forked worker inherits, isn't one on ``fd`` and is replaced.
    """
    if isinstance(stream, io.TextIOWrapper):
        try:
            if stream.fileno() == fd:
                stream.reconfigure(line_buffering=True)
                return stream
        except (OSError, ValueError):
            pass
    return io.TextIOWrapper(
        io.BufferedWriter(io.FileIO(fd, "w", closefd=False)),
        encoding="utf-8",
        errors="backslashreplace",
        line_buffering=True,
    )


def _flush() -> None:
    for _, kind in _STREAMS:
        try:
            getattr(sys, kind).flush()
        except (AttributeError, OSError, ValueError):
            pass
