"""What an audit says: the findings, and what could not be looked into."""

from __future__ import annotations

from workerstate.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# The fields of a finding that reports show, in their order.
SHOWN = (
    *("code", "name", "kind", "task", "where_set", "where_read"),
    *("parent", "worker", "remedy"),
)


class Inherited(Value):
    """One piece of state that a task relies on and that its worker would not have as meant.

    Attributes:
        code: stable (``WS511``); ``workerstate rule`` explains it.
        name: ``module.attr`` (``__main__.X`` in the script), ``module.Class.attr``, ``facet:key``.
        kind: what is wrong, in a few words: ``missing``, ``different`` ...
        task: the functions whose code reads it, as ``module:qualname``.
        where_set: ``path:line`` of what sets it, or None where that is not known.
        where_read: ``path:line`` of where the task reads it, or None.
        parent: what it is in the parent, in short; secrets are hidden.
        worker: what it would be in a worker, in short; None where it would not be there.
        remedy: what to do.
        sentence: the finding in one sentence.
        targets: the start methods under which it holds.
        carry: what of ``WorkerSpec(carry=...)`` repairs it (``app:OPTIONS``, ``logging``); None
            where that can't.
        needs: the modules that workers have to be given for that, since no import finds them.
        reason: why not, and what to change in the code instead.
        path: the file to point at, and ``line`` in it: where the task reads it, else where it is
            set.
    """

    code: str
    name: str
    kind: str
    task: str
    where_set: str | None
    where_read: str | None
    parent: str | None
    worker: str | None
    remedy: str
    sentence: str = ""
    targets: tuple[str, ...] = ()
    carry: str | None = None
    needs: tuple[str, ...] = ()
    reason: str = ""

    def row(self) -> dict[str, Any]:
        """Give what machines are told."""
        return {field: getattr(self, field) for field in SHOWN}

    @property
    def path(self) -> str | None:
        """The file to point at: where the task reads it, else where it is set."""
        return (self.where_read or self.where_set or "").rpartition(":")[0] or None

    @property
    def line(self) -> int | None:
        """The line to point at."""
        return int((self.where_read or self.where_set or ":0").rpartition(":")[2]) or None


class Audit(Value):
    """What one run of a program showed.

    Attributes:
        findings: by code, then by name; each name once.
        notes: sentences that say what was not followed, not observed, or not tried.
        targets: the start methods that were asked about.
        tasks: the distinct functions that were submitted, as ``module:qualname``.
        exit_code: the program's own, as the shell gives it; None if it was stopped at the timeout.
        recording: the folder with the program's recording.
    """

    findings: tuple[Inherited, ...]
    notes: tuple[str, ...]
    targets: tuple[str, ...]
    tasks: tuple[str, ...]
    exit_code: int | None
    recording: str
