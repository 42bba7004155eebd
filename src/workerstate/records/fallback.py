"""What a worker does alone: records onto stderr once the parent has gone, a call at its exit."""

from __future__ import annotations

import logging
import os
import select
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_format = "%(levelname)s %(name)s [%(processName)s %(process)s] %(message)s"
_formatter = logging.Formatter(_format)
_stderr = 2
_told = 0


def use(fd: int) -> None:
    """Take ``fd`` for stderr, where the worker's own goes to the parent."""
    global _stderr
    _stderr = fd


def write(record: logging.LogRecord) -> None:
    """Write ``record`` to stderr; give up rather than raise, or wait longer than a second.

    Straight to the descriptor: ``sys.stderr`` has a lock, which a signal handler could find held.
    """
    global _told
    text = ""
    if _told != os.getpid():
        _told = os.getpid()
        text = (
            f"workerstate: the log records of process {_told} no longer reach their parent; "
            "they go to stderr\n"
        )
    try:
        text += _formatter.format(record) + "\n"
        data = text.encode("utf-8", "backslashreplace")
        waiter = select.poll()
        waiter.register(_stderr, select.POLLOUT)
        for start in range(0, len(data), 512):  # what a pipe that is writable takes at least
            if not waiter.poll(1000):
                return
            os.write(_stderr, data[start : start + 512])
    except (OSError, ValueError, TypeError):
        pass


def at_exit(call: Callable[[], None]) -> None:
    """Have ``call`` called when this process ends in an orderly way.

    Workers of multiprocessing run its finalizers and not ``atexit`` (they end with ``os._exit``).
    """
    util = sys.modules.get("multiprocessing.util")
    process = sys.modules.get("multiprocessing.process")
    if util is not None and process is not None and process.parent_process() is not None:
        util.Finalize(None, call, exitpriority=-100)
    else:
        import atexit

        atexit.register(call)
