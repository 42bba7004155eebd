"""Reads a recording: every journal becomes one ``Process``, in the order of their starts.

A journal may end anywhere, since its process may have been killed at any moment or the disk may
have been full; what is whole is read, what is not is counted.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workerstate.errors import RecordingError
from workerstate.observe.hook import SCHEMA

Texts = dict[str, dict[str, str]]
Event = dict[str, Any]


@dataclass
class Task:
    """One task as its worker wrote it; ``end`` is None if the worker died in it."""

    number: int
    function: str
    begin: int
    work: int | None = None
    items: int = 1
    size: int = 0
    mark: str | None = None
    carrier: str | None = None
    end: int | None = None
    micros: int | None = None
    ok: bool | None = None
    changes: list[list[Any]] = field(default_factory=list)
    changes_since: int | None = None


@dataclass
class Process:
    """One process of the program: what its journal says, and what its parent said of its end."""

    pid: int
    ppid: int
    how: str
    started: int
    journal: str
    python: str | None = None
    purpose: str | None = None
    script_of: str | None = None
    bootstrap: Event | None = None
    born: Event | None = None
    imports: list[list[Any]] = field(default_factory=list)
    imports_at_birth: int | None = None
    tasks: list[Task] = field(default_factory=list)
    calls: list[Event] = field(default_factory=list)
    launches: list[Event] = field(default_factory=list)
    child_exits: list[Event] = field(default_factory=list)
    snapshots: list[Event] = field(default_factory=list)
    others: list[Event] = field(default_factory=list)
    more: dict[str, list[int]] = field(default_factory=dict)
    counted: int = 0  # the number of the last task, where there were very many
    running: str | None = None
    faults: list[Event] = field(default_factory=list)
    reads: list[Event] = field(default_factory=list)
    live: list[Event] = field(default_factory=list)
    draws: list[Event] = field(default_factory=list)
    connections: list[Event] = field(default_factory=list)
    exit: Event | None = None
    reaped: Event | None = None
    last: int = 0
    torn: int = 0


@dataclass
class Recording:
    """All that `workerstate run` wrote of one program."""

    folder: str
    note: dict[str, Any]
    processes: list[Process]
    unread: int = 0  # journals without a first line

    def at(self, pid: int | None, moment: int) -> Process | None:
        """Give the process that had this id at that moment (ids are used again)."""
        found = None
        for process in self.processes:
            if process.pid == pid and process.started <= moment:
                found = process
        return found

    @property
    def main(self) -> Process | None:
        """The program itself; None if it could not be observed."""
        pid = self.note.get("pid")
        return next((p for p in self.processes if p.pid == pid and p.how != "fork"), None)


def read(folder: str | Path) -> Recording:
    """Read the recording in ``folder``.

    Raises:
        RecordingError: the folder is not a recording, or one of a later version.
    """
    place = Path(folder)
    if not place.is_dir():
        raise RecordingError(f"{place} is not a folder; give the folder of a recording, or 'last'")
    try:
        note = json.loads((place / "run.json").read_text())
    except FileNotFoundError:
        note = {}
    except (OSError, ValueError) as error:
        raise RecordingError(f"{place / 'run.json'} can't be read: {error}") from error
    if not isinstance(note, dict):
        raise RecordingError(f"{place / 'run.json'} can't be read: it holds no object")
    journals = sorted(place.glob("*.jsonl"))
    if not note and not journals:
        raise RecordingError(f"{place} holds no recording (no run.json, no journals)")
    if note.get("schema", SCHEMA) != SCHEMA:
        raise RecordingError(
            f"{place} was written by another version of workerstate (schema {note['schema']}, "
            f"this one reads {SCHEMA})"
        )
    processes = [process for path in journals if (process := _read_journal(path)) is not None]
    unread = len(journals) - len(processes)
    # A fork that only leads to an exec (``preexec_fn``) is no process of its own.
    processes = [process for process in processes if process.purpose != "exec"]
    processes.sort(key=lambda process: process.started)
    recording = Recording(str(place), note, processes, unread)
    _reap(recording)
    return recording


def last_recording() -> str:
    """Give the folder of the newest recording made from the current folder.

    Raises:
        RecordingError: there is none.
    """
    from workerstate.observe.folders import recording_roots

    runs = [
        path
        for root in recording_roots()
        if root.is_dir()
        for path in root.iterdir()
        if path.is_dir() and (path / "run.json").exists()
    ]
    if not runs:
        raise RecordingError("no recording here yet; make one with: workerstate run script.py")
    return str(max(runs, key=lambda path: path.name))


def _read_journal(path: Path) -> Process | None:
    lines = path.read_bytes().split(b"\n")
    torn = 1 if lines[-1] else 0
    process: Process | None = None
    for line in filter(None, lines[:-1]):
        try:
            event = json.loads(line)
            if process is None:
                if event["ev"] != "start":
                    continue
                process = Process(
                    event["pid"], event["ppid"], event["how"], event["t"], path.name,
                    event.get("python"), event.get("purpose"), event.get("script_of"),
                )  # fmt: skip
            _take(process, event)
        except (ValueError, KeyError, TypeError, IndexError, RecursionError):
            torn += 1
    if process is not None:
        process.torn = torn
        _read_last_task(process, path.with_suffix(".now"))
    return process


def _read_last_task(process: Process, path: Path) -> None:
    """Take the last task of a worker that had very many, and whether it was still running."""
    try:
        text = path.read_text().strip()
        process.counted = int(text[1:].partition(" ")[0])
    except (OSError, ValueError):
        return
    if text.startswith("+"):
        process.running = text.partition(" ")[2] or None


def _take(process: Process, event: Event) -> None:
    """Put one event where it belongs."""
    kind = event["ev"]
    process.last = max(process.last, event.get("t", 0))
    if kind == "begin":
        process.tasks.append(
            Task(
                event["n"],
                event["fn"],
                event["t"],
                event.get("work"),
                event.get("items", 1),
                event.get("bytes", 0),
                event.get("mark"),
                event.get("carrier"),
            )
        )
    elif kind in ("end", "unsent", "changes"):
        _take_of_task(process, event)
    elif kind == "imports":
        process.imports.extend(event["list"])
    elif kind in ("snapshot", "born"):
        process.snapshots.append(event)
        if kind == "born" and process.born is None:
            process.born = event
            process.imports_at_birth = len(process.imports)
    elif kind in _LISTS:
        getattr(process, _LISTS[kind]).append(event)
    elif kind == "more":
        process.more = event["counts"]
    elif kind == "process":
        process.bootstrap = event
    elif kind == "exit":
        process.exit = event
    elif kind != "start":
        process.others.append(event)


_LISTS = {
    "call": "calls",
    "launch": "launches",
    "childexit": "child_exits",
    "fault": "faults",
    "reads": "reads",
    "live": "live",
    "drew": "draws",
    "connections": "connections",
}


def _take_of_task(process: Process, event: Event) -> None:
    number = event["n"]
    task = next((t for t in reversed(process.tasks) if t.number == number), None)
    if task is None:
        return
    if event["ev"] == "end":
        task.end, task.micros, task.ok = event["t"], event["us"], event["ok"]
    elif event["ev"] == "unsent":
        task.ok = False
    else:
        task.changes.extend(event["list"])
        task.changes_since = event.get("since")


def _reap(recording: Recording) -> None:
    """Give each process the exit status that its parent saw."""
    for parent in recording.processes:
        for event in parent.child_exits:
            child = recording.at(event["pid"], event["t"])
            if child is None or child is parent:
                continue
            if child.reaped is None or child.reaped["code"] == event.get("instead"):
                child.reaped = event
