"""Every error and warning of the package.

The arguments carry the facts and ``__str__`` makes the sentence, so that each error survives
pickling with its message.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_OWN = os.path.dirname(__file__)


class WorkerstateError(Exception):
    """The base of all errors that workerstate raises; its text says what, where and what to do."""


class FacetError(WorkerstateError):
    """A facet could not be read or applied.

    Args: the facet's name, what was tried (``capture``, ``apply``, ``derive``), and the reason.
    """

    def __str__(self) -> str:
        if len(self.args) != 3:
            return super().__str__()
        facet, action, reason = self.args
        return f"facet {facet!r}: {action} failed: {reason}"


class UnknownFacetError(WorkerstateError, ValueError):
    """A facet was asked for by a name that no facet has.

    Args: the name, and the names that exist.
    """

    def __str__(self) -> str:
        if len(self.args) != 2:
            return super().__str__()
        name, known = self.args
        near = nearest(name, known)
        hint = f"; did you mean {near!r}?" if near else ""
        return f"unknown facet {name!r}{hint} Known: {', '.join(sorted(known))}"


class SpecError(WorkerstateError, ValueError):
    """A declaration can't be honoured; raised in the parent, before any worker starts.

    The text says what is wrong, where, and what to do.
    """


class BackendUnavailableError(WorkerstateError, ImportError):
    """A backend's library is not installed.

    Args: the library, and the extra of this package that brings it.
    """

    def __str__(self) -> str:
        if len(self.args) != 2:
            return super().__str__()
        library, extra = self.args
        return f"{library!r} is not installed; install it with: pip install workerstate[{extra}]"


class NoTaskError(WorkerstateError, LookupError):
    """Something was asked for that only a task, or a worker, of a spec has; the text says what."""


class WorkerTracebackError(WorkerstateError):
    """The worker's traceback, as the text that it would have printed."""

    def __str__(self) -> str:
        return "\n" + "".join(self.args)


class WorkerStartError(WorkerstateError, RuntimeError):
    """A worker could not be made to start as declared, and runs no task.

    The worker's own exception is the cause, with its traceback as text below it.

    Args: the worker's number (-1: it was the template), its process id, what it was about to do,
    its exception in words, the traceback, and the exception pickled (None where it can't be).
    """

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        if len(args) == 6:
            set_cause(self, _revive(args[5], str(args[4])))

    def __str__(self) -> str:
        if len(self.args) != 6:
            return super().__str__()
        number, pid, step, reason, _, _ = self.args
        return f"{_who(number, pid)} could not start: {step}: {reason}. No task runs in it."

    # Executors set the cause of what a task raised to the traceback in the worker, which here is
    # less than the cause that this error brings.
    @property
    def __cause__(self) -> BaseException | None:
        """The worker's own exception."""
        cause: BaseException | None = _CAUSE.__get__(self)
        return cause

    @__cause__.setter
    def __cause__(self, value: BaseException | None) -> None:
        if _CAUSE.__get__(self) is None:
            set_cause(self, value)


def _who(number: object, pid: object) -> str:
    return f"{'the template' if number == -1 else f'worker {number}'} (pid {pid})"


_CAUSE: Any = vars(BaseException)["__cause__"]


def set_cause(error: BaseException, cause: BaseException | None) -> None:
    """Set the cause of an error, though its class may refuse that (as a frozen dataclass does)."""
    _CAUSE.__set__(error, cause)


def why(error: BaseException) -> str:
    """Say what an error of the program's is, whose own text may fail."""
    try:
        return f"{type(error).__name__}: {error}"
    except BaseException:
        return f"{type(error).__name__}, which can't be shown"


def _revive(pickled: object, text: str) -> BaseException | None:
    """Give the worker's exception with its traceback as its cause; only that, where it can't be."""
    told = WorkerTracebackError(text) if text else None
    if isinstance(pickled, bytes):
        import pickle

        try:
            cause = pickle.loads(pickled)
            if isinstance(cause, BaseException):
                set_cause(cause, told)
                return cause
        except Exception:  # its class may be missing here, or refuse what it is made of
            pass
    return told


class WorkerDiedError(WorkerstateError, RuntimeError):
    """The process that ran a task has ended, or wanted to; no other task fails for it.

    Args: the task's function, the worker's number and process id, how it ended, and the last log
    record that came from it (None: none came, or logging is not carried).
    """

    def __str__(self) -> str:
        if len(self.args) != 5:
            return super().__str__()
        task, number, pid, how, record = self.args
        last = f"; its last log record: {record}" if record else ""
        return f"task {task}: worker {number} (pid {pid}) {how}{last}"


class TaskTimeoutError(WorkerDiedError, TimeoutError):
    """A task ran longer than its ``timeout``, and its worker was killed for it.

    Args: as WorkerDiedError's.
    """

    def __init__(self, *args: object) -> None:
        # TimeoutError is an OSError, whose own would take the first two for an errno and its text.
        BaseException.__init__(self, *args)


class TaskReadError(WorkerstateError, RuntimeError):
    """A worker could not read a task that it was sent: a module it can't import, say.

    Args: the task's function, the worker's number and process id, and the reason in words; the
    cause has the worker's traceback.
    """

    def __str__(self) -> str:
        if len(self.args) != 4:
            return super().__str__()
        task, number, pid, reason = self.args
        return f"task {task} could not be read in worker {number} (pid {pid}): {reason}"


class TemplateError(WorkerstateError, RuntimeError):
    """A template could not be prepared, or must not be forked; the text says why."""


class DriftError(WorkerstateError, RuntimeError):
    """A task left its worker in another state than the spec's drift policy allows.

    Args: the changes, each a ``Drift``. What can be put back has been, so the worker goes on.
    """

    def __str__(self) -> str:
        return "; ".join(map(str, self.args))


class DriftWarning(WorkerstateError, UserWarning):  # noqa: N818  # it is one
    """A task changed the state of its worker.

    Args: the change, a ``Drift``.
    """

    def __str__(self) -> str:
        return "; ".join(map(str, self.args))


class CarryWarning(WorkerstateError, UserWarning):  # noqa: N818  # it is one
    """Reading what is carried takes long, and each submit does it again.

    Args: what takes most of it, its bytes when pickled, and the seconds of one reading.
    """

    def __str__(self) -> str:
        if len(self.args) != 3:
            return super().__str__()
        name, size, seconds = self.args
        return (
            f"carry= is read again at each submit, which takes {seconds:.2f} s here, most of it "
            f"for {name} ({size / 1e6:.1f} MB): submit many tasks by one map(), give it once with "
            "set=, or make it a Resource"
        )


class SlowStartWarning(WorkerstateError, UserWarning):  # noqa: N818  # it is one
    """A worker, or the template, has been starting for long; tasks wait for it.

    Args: the worker's number (-1: it is the template), its process id, what it is at, and for how
    many seconds it has been starting.
    """

    def __str__(self) -> str:
        if len(self.args) != 4:
            return super().__str__()
        number, pid, step, seconds = self.args
        return (
            f"{_who(number, pid)} has been starting for {seconds} s, and is at: {step}. Tasks wait "
            "for it; Executor(start_timeout=seconds) would end such a start with an error"
        )


class UsageError(WorkerstateError):
    """A command was called with something that can't be used; the text says what to do."""


class RecordingError(WorkerstateError):
    """A recording can't be read; the text says which file and what is wrong with it."""


def nearest(name: str, known: list[str]) -> str | None:
    """Give the known name most like ``name``, or None where none is near."""
    import difflib

    def likeness(other: str) -> tuple[float, int]:
        # Of those that are equally near, the one that begins alike.
        ratio = difflib.SequenceMatcher(None, other, name).ratio()
        return ratio, max(n for n in range(len(name) + 1) if other.startswith(name[:n]))

    return max(difflib.get_close_matches(name, known, n=5), key=likeness, default=None)


def outside() -> int:
    """Give the stack level, for who calls ``warnings.warn``, of the first frame not of ours."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_OWN):
        frame, level = frame.f_back, level + 1
    return level
