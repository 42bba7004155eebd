"""A recording with what is derived from it: what the document and the rules look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workerstate.observe.lineage import Calls, Origin, origins
from workerstate.observe.reading import Process, Recording, Task, read
from workerstate.observe.states import States
from workerstate.snapshot import compare_texts

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class View:
    """A recording with what is derived from it; what the rules look at."""

    recording: Recording
    origins: dict[str, Origin]
    states: States
    calls: Calls

    def origin(self, process: Process) -> Origin:
        """Say where a process comes from."""
        return self.origins[process.journal]

    @property
    def workers(self) -> list[Process]:
        """The worker processes, in the order of their births."""
        return [p for p in self.recording.processes if self.origin(p).role == "worker"]


def view(folder: str | Path) -> View:
    """Read a recording and derive who started whom.

    Raises:
        RecordingError: there is no recording in ``folder``, or it can't be read.
    """
    recording = read(folder)
    return View(recording, origins(recording), States(recording), Calls(recording))


def differences(seen: View, process: Process) -> list[dict[str, Any]]:
    """Compare the state a worker was born with to its parent's when it was started."""
    origin = seen.origin(process)
    worker = seen.states.born(process)
    parent = seen.states.at_launch(process, origin.launch, origin.parent)
    if worker is None or parent is None:
        return []
    return [
        {"facet": d.facet, "key": d.key, "parent": d.before, "worker": d.after}
        for d in compare_texts(parent, worker)
    ]


def status_of(process: Process) -> int | None:
    """Give the exit status: the parent's word first (negative for a signal), else its own."""
    if process.reaped is not None:
        return int(process.reaped["code"])
    if process.exit is not None and isinstance(process.exit.get("code"), int):
        return int(process.exit["code"])
    return None


def running_task(process: Process) -> Task | None:
    """Give the task that the process was in when it ended.

    When it began is not known of a task beyond those that are told one by one.
    """
    if process.running is not None:
        return Task(process.counted, process.running, process.last)
    if process.tasks and process.tasks[-1].end is None:
        return process.tasks[-1]
    return None


def ms(seen: View, moment: int | None) -> int | None:
    """Give a moment as milliseconds from the start of the program."""
    start = seen.recording.note.get("started")
    return None if moment is None or start is None else (moment - start) // 1_000_000
