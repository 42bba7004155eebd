"""A limit in time for code that is not ours, such as an object's own ``__reduce__``."""

from __future__ import annotations

import contextvars
import ctypes
import threading
from collections.abc import Callable
from typing import Any

GRACE_S = 0.5


class OverdueError(BaseException):
    """Ends work that has taken too long; no ``except Exception`` of the program's keeps it."""


def within(seconds: float, work: Callable[[], Any]) -> bool:
    """Do ``work``; tell whether it came to its end in time. What it raises is raised here.

    What is overdue is stopped at its next bytecode. Code that waits outside Python (for a lock,
    or a socket) can't be: it is left alone, in a daemon thread.
    """
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            raised.append(error)

    # The caller's context variables are what its reducers would see.
    thread = threading.Thread(
        target=contextvars.copy_context().run, args=(run,), daemon=True, name="workerstate"
    )
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident or 0), ctypes.py_object(OverdueError)
        )
        thread.join(GRACE_S)
        return False
    if raised and isinstance(raised[0], OverdueError):
        return False
    if raised:
        raise raised[0]
    return True
