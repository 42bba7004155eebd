"""What one run of the program under test shows: its recording, and what it printed.

The recording is asked first; what the program printed is needed where the recording has no word
for it (how many handlers a logger has after a task) and is compared where both speak.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, TypeVar

from workerstate.lab.verdict import count
from workerstate.values import Value

Found = TypeVar("Found")


class MissingEvidence(Exception):  # noqa: N818 - not a failure of the program: a claim can't be judged
    """What a claim needs was not seen; the text says what."""


class Printed(Value):
    """One line that the program printed: what it is about, and its ``name=value`` pairs."""

    what: str
    fields: Mapping[str, str]

    @property
    def pid(self) -> int:
        """The process that printed it."""
        return int(self.fields["pid"])

    @property
    def handlers(self) -> int:
        """How many handlers its root logger had."""
        return int(self.fields["handlers"])


class Observed(Value):
    """One run of the program under test.

    ``document`` is what ``workerstate run --json`` gives, ``imports`` the modules that each
    process imported in its life (by pid), ``printed`` the program's lines in their order.
    """

    document: Mapping[str, Any]
    imports: Mapping[int, Collection[str]]
    printed: tuple[Printed, ...]

    @property
    def parent(self) -> Printed:
        """What the parent said of itself, before it started workers."""
        return one(line for line in self.printed if line.what == "parent")

    @property
    def workers(self) -> list[Mapping[str, Any]]:
        """The workers of the recording.

        Raises:
            MissingEvidence: there are none.
        """
        found: list[Mapping[str, Any]] = list(self.document["workers"])
        if not found:
            raise MissingEvidence("the recording shows no worker")
        return found


class Call(Value):
    """One call of joblib in the program: what was asked for, who served it, what was printed."""

    number: int
    n_jobs: int
    tasks: int
    pool: Mapping[str, Any]
    pids: frozenset[int]
    printed: tuple[Printed, ...]

    @property
    def task(self) -> str:
        """The name of its tasks."""
        return one(line.what for line in self.printed if not line.what.startswith("import "))

    def importers(self, module: str) -> list[int]:
        """Give the processes that printed the import of ``module`` during the call."""
        return [line.pid for line in self.printed if line.what == f"import {module}"]

    def handlers(self) -> dict[int, list[int]]:
        """Give the number of handlers after each task, by worker."""
        counts: dict[int, list[int]] = {}
        for line in self.printed:
            if "handlers" in line.fields:
                counts.setdefault(line.pid, []).append(line.handlers)
        return counts


def parse(text: str) -> tuple[Printed, ...]:
    """Read the lines of the program under test; lines that are not its own are left out."""
    lines = []
    for line in text.splitlines():
        words = line.split(" ")
        fields = dict(word.split("=", 1) for word in words if "=" in word)
        what = " ".join(word for word in words if "=" not in word)
        if fields and what:
            lines.append(Printed(what, fields))
    return tuple(lines)


def one(found: Iterable[Found]) -> Found:
    """Give the first of what was found.

    Raises:
        MissingEvidence: nothing was found.
    """
    for item in found:
        return item
    raise MissingEvidence("the program did not print what was expected of it")


def handlers_at_birth(observed: Observed) -> dict[int, bool]:
    """Tell of each worker whether it was born with the handlers of its parent's root logger.

    Workers whose state at birth was not recorded are left out.

    Raises:
        MissingEvidence: recording and program disagree, or the parent has no handler.
    """
    parent = observed.parent
    if not parent.handlers:
        raise MissingEvidence("the parent has no handler that could be missing")
    # A worker that was ended before it could take a task has no state at birth.
    born = [worker for worker in observed.workers if worker["birth"].get("ms", 0) is not None]
    kept = {worker["pid"]: not _differs(worker, "root.handlers") for worker in born}
    first: dict[int, int] = {}
    for line in observed.printed:
        if line.what == "foo.report":
            first.setdefault(line.pid, line.handlers)
    for pid, number in first.items():
        if kept.get(pid) is not (number == parent.handlers):
            raise MissingEvidence(
                f"worker {pid} printed {count(number, 'handler')}, but the recording says otherwise"
            )
    return kept


def _differs(worker: Mapping[str, Any], key: str) -> bool:
    rows = worker["birth"]["differences"]
    return any(row["facet"] == "logging" and row["key"] == key for row in rows)


def importers(observed: Observed, module: str) -> frozenset[int]:
    """Give the processes that imported ``module``, the parent among them.

    Raises:
        MissingEvidence: recording and program disagree.
    """
    recorded = frozenset(pid for pid, names in observed.imports.items() if module in names)
    said = frozenset(line.pid for line in observed.printed if line.what == f"import {module}")
    if recorded != said:
        raise MissingEvidence(
            f"processes {_list(said)} printed that they import {module}, "
            f"but the recording shows {_list(recorded)}"
        )
    return recorded


def calls(observed: Observed) -> list[Call]:
    """Give the calls of the joblib program, each with its pool and the workers that served it.

    Raises:
        MissingEvidence: recording and program disagree.
    """
    groups: list[tuple[Printed, list[Printed]]] = []
    for line in observed.printed:
        if line.what == "call":
            groups.append((line, []))
        elif groups and line.what != "parent":
            groups[-1][1].append(line)
    pools = observed.document["pools"]
    if len(pools) != len(groups):
        raise MissingEvidence(f"the program made {len(groups)} calls, recorded are {len(pools)}")
    return [
        _call(observed, head, lines, pool)
        for (head, lines), pool in zip(groups, pools, strict=True)
    ]


def _call(observed: Observed, head: Printed, lines: list[Printed], pool: Mapping[str, Any]) -> Call:
    recorded = frozenset(
        worker["pid"]
        for worker in observed.document["workers"]
        if any(task["call"] == pool["call"] for task in worker["tasks"])
    )
    number = int(head.fields["number"])
    said = frozenset(line.pid for line in lines if not line.what.startswith("import "))
    if recorded != said:
        raise MissingEvidence(
            f"in call {number} the workers {_list(said)} printed, "
            f"but the recording shows {_list(recorded)}"
        )
    n_jobs, tasks = int(head.fields["n_jobs"]), int(head.fields["tasks"])
    return Call(number, n_jobs, tasks, pool, recorded, tuple(lines))


def _list(pids: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(pids))) or "none"
