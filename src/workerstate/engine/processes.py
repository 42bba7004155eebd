"""What a process of the engine asks of the kernel: to end with its parent, to adopt orphans."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import os
import signal
import sys
import time
from contextlib import contextmanager

from workerstate.errors import TemplateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

PAUSES = (0.05, 0.1, 0.2, 0.4)  # seconds between attempts to fork
NO_FORK = (
    "no worker can be forked: memory, or the number of processes (ulimit -u, the pids limit of a "
    "container), is at its limit"
)
LAST = 10.0  # seconds for what tasks have left for the exit of their worker
_F_SETSIG = 10
_KILL = int(signal.SIGKILL)  # an enumeration's member touches many pages of a forked process
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_libc: list[Any] = []


def end_with_parent(parent: int) -> None:
    """Have this process killed when the thread that started it ends; end now if it has.

    The kernel means the parent's thread, not its process (prctl(2)), so the parent must be one that
    has a single thread, or start this one from a thread that lasts.
    """
    _prctl(_PR_SET_PDEATHSIG, _KILL)
    if os.getppid() != parent:
        os._exit(1)


def end_with_writer(pipe: int) -> None:
    """Have this process killed when nobody has the other end of a pipe open any more."""
    import fcntl
    import select

    fcntl.fcntl(pipe, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(pipe, _F_SETSIG, _KILL)
    fcntl.fcntl(pipe, fcntl.F_SETFL, fcntl.fcntl(pipe, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([pipe], [], [], 0)[0]:  # before that was heeded
        os._exit(1)


_theirs: list[Any] = []  # the program's own way with SIGCHLD, if it has one


def take_children() -> None:
    """Have nobody but ``waitpid`` told of this process's children: no handler, and not SIG_IGN."""
    before = _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
    _theirs[:] = [] if before in (None, _signal.SIG_DFL) else [before]


def leave_children() -> None:
    """Undo that, in a worker: its children are its tasks' own."""
    if _theirs:
        _signal.signal(_signal.SIGCHLD, _theirs[0])


def adopt_orphans() -> None:
    """Become the parent of what the children of this process leave behind."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def children() -> list[int]:
    """Give the process ids of the children of this thread."""
    file = os.open(f"/proc/self/task/{os.getpid()}/children", os.O_RDONLY)
    try:
        found = os.read(file, 1 << 16)
    finally:
        os.close(file)
    return [int(each) for each in found.split()]


def written() -> set[int]:
    """Give the numbers of the files that this process has open for writing."""
    import fcntl

    found = set()
    for each in os.listdir("/proc/self/fd"):
        try:
            if fcntl.fcntl(int(each), fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY:
                found.add(int(each))
        except OSError:  # it was the listing's own
            pass
    return found


def is_tracker(pid: int) -> bool:
    """Tell whether a process is a resource tracker, of multiprocessing or loky."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return b"resource_tracker" in file.read()
    except OSError:  # it has ended
        return False


def pass_interrupts() -> None:
    """Let Ctrl-C be the parent's matter, which ends its workers.

    With a handler, not SIG_IGN: what a task executes would inherit that.
    """
    signal.signal(signal.SIGINT, _nothing)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])


def drop_wakeup() -> None:
    """Keep a forked process's signals from the event loop of the one it was forked from.

    asyncio has the number of each signal written to a socket that both have (python/cpython#75670),
    and a handler that does nothing else: so SIGTERM would stop the parent, and not this process.
    """
    if "asyncio" not in sys.modules:
        return
    signal.set_wakeup_fd(-1)  # as asyncio does itself since 3.12
    for number in signal.valid_signals():
        handler = signal.getsignal(number)
        if getattr(handler, "__module__", "").startswith("asyncio."):
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def interrupts_blocked() -> Iterator[None]:
    """Start a process that Ctrl-C doesn't reach until it calls ``pass_interrupts``."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _nothing(number: int, frame: object) -> None:
    pass


def _prctl(option: int, value: int) -> None:
    if not _libc:
        import ctypes

        _libc.append(ctypes.CDLL(None))
    _libc[0].prctl(option, value, 0, 0, 0)


def end_soon(seconds: float = LAST) -> None:
    """Have this process killed if it has not ended in so many seconds, whatever it waits for.

    Args:
        seconds: 0 takes it back.
    """
    # Not by way of ``signal``: see _KILL.
    _signal.signal(_signal.SIGALRM, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_UNBLOCK, (_signal.SIGALRM,))
    _signal.setitimer(_signal.ITIMER_REAL, seconds)


def show_error() -> None:
    """Print the traceback of what is being handled: a fault of ours that must not be silent."""
    import traceback

    try:
        traceback.print_exc()
    except Exception:  # nobody reads stderr
        pass


def reap(pid: int) -> None:
    """Take in the end of a process whose own parent has ended, if it has come to this one.

    It does so where this is a container's first process, or has called for orphans.
    """
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        pass


def fork() -> int:
    """Fork; where memory or the number of processes is at its limit, try again for a while.

    Raises:
        TemplateError: that was not enough.
    """
    for pause in PAUSES:
        try:
            return os.fork()
        except OSError:
            time.sleep(pause)
    try:
        return os.fork()
    except OSError as error:
        raise TemplateError(NO_FORK) from error


def kill(pid: int) -> None:
    """Kill a process; it may have ended."""
    if pid <= 0:  # that would be a whole group
        raise ValueError(f"process id {pid}")
    try:
        os.kill(pid, _KILL)
    except OSError:
        pass
