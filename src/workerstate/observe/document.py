"""Makes one JSON document of a recording: what every report and every check starts from."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workerstate.observe import lineage, pools
from workerstate.observe.missing import not_observed
from workerstate.observe.reading import read
from workerstate.observe.states import States
from workerstate.snapshot import compare_texts

if TYPE_CHECKING:
    from pathlib import Path

    from workerstate.observe.lineage import Calls, Origin
    from workerstate.observe.reading import Process, Recording, Task

SCHEMA = 1


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
    return View(recording, lineage.origins(recording), States(recording), lineage.Calls(recording))


def document(folder: str | Path) -> dict[str, Any]:
    """Give the document of the recording in ``folder``; times are milliseconds from its start.

    Raises:
        RecordingError: there is no recording in ``folder``, or it can't be read.
    """
    seen = view(folder)
    note = seen.recording.note
    numbers = {p.journal: number for number, p in enumerate(seen.workers, 1)}
    call_numbers = pools.number_calls(seen)
    workers = [_worker(seen, p, numbers[p.journal], call_numbers) for p in seen.workers]
    return {
        "schema": SCHEMA,
        "program": _program(seen),
        "environment": _environment(note, seen),
        "workers": workers,
        "helpers": [_helper(seen, p) for p in seen.recording.processes if _is_helper(seen, p)],
        "pools": pools.events(seen, call_numbers),
        "findings": _findings(seen),
        "not_observed": not_observed(seen),
        "faults": [f for p in seen.recording.processes for f in p.faults],
        "recording": str(folder),
    }


def _findings(seen: View) -> list[dict[str, Any]]:
    # The rules look at documents, so they can't be imported before this module is.
    from workerstate.observe import rules

    return rules.find(seen)


def _is_helper(seen: View, process: Process) -> bool:
    return seen.origin(process).role not in ("main", "worker")


def _program(seen: View) -> dict[str, Any]:
    note, main = seen.recording.note, seen.recording.main
    status = note.get("exit")
    ended = note.get("ended")
    started = note.get("started")
    return {
        "command": note.get("command"),
        "pid": note.get("pid"),
        "exit_code": None if status is None else status if status >= 0 else 128 - status,
        "signal": _signal_name(status),
        "ms": None if ended is None or started is None else (ended - started) // 1_000_000,
        "imports": len(main.imports) if main else None,
        "observed": main is not None,
    }


def _environment(note: dict[str, Any], seen: View) -> dict[str, Any]:
    main = seen.recording.main
    return {
        "python": main.python if main else None,
        "executable": note.get("python"),
        "cpus": note.get("cpus"),
        "simulated_cpus": note.get("simulated_cpus"),
        "versions": pools.versions(seen),
    }


def _worker(seen: View, process: Process, number: int, calls: dict[Any, int]) -> dict[str, Any]:
    origin = seen.origin(process)
    boot = process.bootstrap or {}
    return {
        "number": number,
        "pid": process.pid,
        "name": boot.get("name"),
        "parent_pid": origin.parent.pid if origin.parent else process.ppid,
        "backend": origin.backend,
        "start_method": origin.start_method,
        "born_ms": ms(seen, process.started),
        "birth": {
            "imports": _imports(process),
            "differences": differences(seen, process),
            "ms": _birth_ms(process),
        },
        "tasks": [_task(seen, process, task, calls) for task in process.tasks],
        **_more_tasks(process),
        "death": _death(seen, process),
    }


def _more_tasks(process: Process) -> dict[str, Any]:
    """Give what is known of a worker's tasks beyond those that are told one by one."""
    rows: dict[str, dict[str, int | None]] = {
        function: {"tasks": count, "ms": micros // 1000, "failed": failed}
        for function, (count, micros, failed) in process.more.items()
    }
    told = len(process.tasks) + sum(row["tasks"] or 0 for row in rows.values())
    if process.counted > told:
        # The worker was ended before it wrote its last counts.
        rows["(not told apart)"] = {"tasks": process.counted - told, "ms": None, "failed": None}
    return {"more_tasks": rows} if rows else {}


def ms(seen: View, moment: int | None) -> int | None:
    """Give a moment as milliseconds from the start of the program."""
    start = seen.recording.note.get("started")
    return None if moment is None or start is None else (moment - start) // 1_000_000


def _birth_ms(process: Process) -> int | None:
    return None if process.born is None else (process.born["t"] - process.started) // 1_000_000


def _imports(process: Process) -> list[dict[str, Any]]:
    cut = process.imports_at_birth
    return [
        {"module": name, "ms": round(micros / 1000, 3), "depth": depth}
        for name, depth, micros in process.imports[:cut]
    ]


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


def _task(seen: View, process: Process, task: Task, calls: dict[Any, int]) -> dict[str, Any]:
    origin = seen.origin(process)
    call = seen.calls.of(origin, task.work, task.begin)
    out = {
        "function": task.function,
        "call": calls.get(id(call)),
        "start_ms": ms(seen, task.begin),
        "ms": None if task.micros is None else round(task.micros / 1000, 3),
        "ok": task.ok,
        "items": task.items,
        "changes": [
            {"facet": facet, "key": key, "before": before, "after": after}
            for facet, key, before, after in task.changes
        ],
    }
    if task.changes and task.changes_since not in (None, task.number):
        out["changes_since_task"] = task.changes_since
    if task.size:
        out["bytes"] = task.size
    return out


def status_of(process: Process) -> int | None:
    """Give the exit status: the parent's word first (negative for a signal), else its own."""
    if process.reaped is not None:
        return int(process.reaped["code"])
    if process.exit is not None and isinstance(process.exit.get("code"), int):
        return int(process.exit["code"])
    return None


def running_task(process: Process) -> Task | None:
    """Give the task that the process was in when it ended."""
    if process.tasks and process.tasks[-1].end is None:
        return process.tasks[-1]
    return None


def _death(seen: View, process: Process) -> dict[str, Any]:
    status = status_of(process)
    task = running_task(process)
    moment = (process.reaped or process.exit or {}).get("t")
    resident = seen.recording.note.get("memory", {}).get(process.journal)
    return {
        "exit_code": status,
        "signal": _signal_name(status),
        "task": task.function if task else process.running,
        "task_started_ms": ms(seen, task.begin) if task else None,
        "ms": ms(seen, moment),
        "memory": {"last": resident[0], "highest": resident[1]} if resident else None,
    }


def _signal_name(status: int | None) -> str | None:
    if status is None or status >= 0:
        return None
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"


def _helper(seen: View, process: Process) -> dict[str, Any]:
    origin = seen.origin(process)
    return {
        "kind": origin.role,
        "pid": process.pid,
        "parent_pid": origin.parent.pid if origin.parent else process.ppid,
        "born_ms": ms(seen, process.started),
        "imports": len(process.imports),
        "exit_code": status_of(process),
    }
