"""Makes one JSON document of a recording: what every report and every check starts from."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

from workerstate.observe import pools, purity, rules
from workerstate.observe.missing import not_observed
from workerstate.observe.view import View, differences, ms, running_task, status_of, view

if TYPE_CHECKING:
    from pathlib import Path

    from workerstate.observe.reading import Process, Task

SCHEMA = 1


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
        **purity.section(seen),
        "findings": rules.find(seen),
        "not_observed": not_observed(seen),
        "faults": [f for p in seen.recording.processes for f in p.faults],
        "recording": str(folder),
    }


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
            # A bare os.fork or a subprocess is not read, and a worker may end before it can be.
            "compared": process.born is not None,
        },
        "imports_later": _imports(process, later=True),
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


def _birth_ms(process: Process) -> int | None:
    return None if process.born is None else (process.born["t"] - process.started) // 1_000_000


def _imports(process: Process, *, later: bool = False) -> list[dict[str, Any]]:
    """Give what was imported before the first task, or after that."""
    cut = process.imports_at_birth
    if cut is None:
        cut = len(process.imports)
    rows = process.imports[cut:] if later else process.imports[:cut]
    return [
        {"module": name, "ms": round(micros / 1000, 3), "depth": depth}
        for name, depth, micros in rows
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


def _death(seen: View, process: Process) -> dict[str, Any]:
    status = status_of(process)
    task = running_task(process)
    moment = (process.reaped or process.exit or {}).get("t")
    resident = seen.recording.note.get("memory", {}).get(process.journal)
    return {
        "exit_code": status,
        "signal": _signal_name(status),
        "task": task.function if task else None,
        "task_started_ms": ms(seen, task.begin) if task and not process.running else None,
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
