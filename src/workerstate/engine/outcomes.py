"""What a worker said of a task, as the result or the error that the parent's program gets."""

from __future__ import annotations

import errno
import os
import signal

from workerstate.engine.processes import NO_FORK
from workerstate.engine.tasks import MOST_LOST
from workerstate.errors import (
    TaskReadError,
    TaskTimeoutError,
    WorkerDiedError,
    WorkerStartError,
    WorkerTracebackError,
    set_cause,
    why,
)
from workerstate.pickling_errors import ResultError

_LIMITS = {
    errno.EMFILE: "; this program has as many files open as it may (ulimit -n)",
    errno.EAGAIN: f"; {NO_FORK}",
    errno.ENOMEM: f"; {NO_FORK}",
}
RAN = " while the task ran"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from workerstate.engine.tasks import Task
    from workerstate.engine.workers import Slot, Worker


_HINTS = {
    "SIGKILL": " (by somebody, or because memory ran out)",
    "SIGSEGV": " (a fault in native code, or a stack overflow)",
}


def error_of(said: tuple[Any, ...], task: Task, worker: Worker) -> BaseException:
    """Give the error for what ``serving.said`` and its like gave."""
    kind, what, *rest = said
    text = rest[-1] if rest else ""
    facts = (task.said(), worker.slot.number, worker.pid)
    error: BaseException
    if kind == "raised":
        import pickle

        try:
            error = pickle.loads(what)
            if not isinstance(error, BaseException):
                raise TypeError(f"reads back as a {type(error).__name__}")
        except BaseException as reason:  # it is the program's own code that reads it
            last = text.strip().rpartition("\n")[2]
            error = ResultError(*facts, f"raised {last}", why(reason))
    elif kind == "ended":
        error = WorkerDiedError(*facts, what, None)
    elif kind == "unread":
        error, text = TaskReadError(*facts, what), rest[0]
    else:
        error = ResultError(*facts, what, rest[0])
    if text:
        set_cause(error, WorkerTracebackError(text))
    return error


def unreadable(reason: BaseException, task: Task, worker: Worker) -> BaseException:
    """Give the error for a result that came, and could not be read here."""
    said = why(reason)
    facts = (task.said(), worker.slot.number, worker.pid)
    error = ResultError(*facts, "returned something that can't be read here", said)
    error.__cause__ = reason
    return error


def death(task: Task, worker: Worker, status: int | None, record: str | None) -> WorkerDiedError:
    """Give the error for a task whose worker has ended.

    Args:
        task: what it was running.
        worker: who.
        status: as ``os.waitpid`` gives it, or None if nobody could tell.
        record: its last log record, or None.
    """
    facts = (task.said(), worker.slot.number, worker.pid)
    if task.late:
        how = f"was killed: the task ran longer than its timeout of {task.limits.timeout:g} s"
        return TaskTimeoutError(*facts, how, record)
    how = manner(status)
    if task.lost >= MOST_LOST:
        how = f"{how.replace(RAN, '')}, the last of {task.lost} that did so before they began it"
    return WorkerDiedError(*facts, how, record)


def never_ran(slot: Slot, status: int | None) -> WorkerStartError:
    """Give the error for a place whose workers end again and again before they run a task."""
    return WorkerStartError(
        f"{slot.failures} workers in a row have ended before they ran a task; the last one "
        f"{manner(status).replace(RAN, '')}. What runs first in a worker is its main module, if it "
        "is imported there, and what the spec declares"
    )


def unstarted(slot: Slot, error: BaseException) -> BaseException:
    """Give the error for a worker that could not be started, in the place of one that has ended."""
    if not isinstance(error, OSError):
        return error
    hint = _LIMITS.get(error.errno or 0, "")
    made = WorkerStartError(f"worker {slot.number} could not be started anew: {error}{hint}")
    made.__cause__ = error
    return made


def manner(status: int | None) -> str:
    """Say how a process has ended."""
    if status is None:
        return "has ended, and nobody could tell how"
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        try:
            name = signal.Signals(number).name
        except ValueError:
            name = f"signal {number}"
        return f"was killed by {name}{_HINTS.get(name, '')}"
    return f"ended with exit code {os.waitstatus_to_exitcode(status)}{RAN}"
