"""The errors that are pickle's too; apart from the others, since few workers need pickle."""

from __future__ import annotations

from pickle import PicklingError

from workerstate.errors import WorkerstateError


class TaskPicklingError(WorkerstateError, PicklingError):
    """A task can't be sent to a worker.

    Args: its function, and the reason in words; the cause is pickle's own error.
    """

    def __str__(self) -> str:
        if len(self.args) != 2:
            return super().__str__()
        task, reason = self.args
        return (
            f"task {task} can't be sent to a worker: {reason}. workerstate.explain(function, "
            "*arguments) shows the path to it"
        )


class ResultError(WorkerstateError, PicklingError):
    """What a task returned or raised can't be sent to the parent, or not be read there.

    Args: the task's function, the worker's number and process id, what it did (``returned a
    generator``), and the reason in words; the cause has the worker's traceback, if there was one.
    """

    def __str__(self) -> str:
        if len(self.args) != 5:
            return super().__str__()
        task, number, pid, what, reason = self.args
        return (
            f"task {task} in worker {number} (pid {pid}) {what}, which can't be sent to the "
            f"parent: {reason}"
        )
