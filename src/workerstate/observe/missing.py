"""Says what of a program was not observed, and why."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workerstate.observe.view import View


_IGNORED = "its interpreter ignored PYTHONPATH"
_SILENT = "worker that ended before its first line"


def not_observed(seen: View) -> list[dict[str, Any]]:
    """Give one row for each reason: a sentence and how many processes it holds for."""
    rows: Counter[str] = Counter()
    _unobserved_programs(seen, rows)
    _stillborn(seen, rows)
    _opaque(seen, rows)
    _damaged(seen, rows)
    for process in seen.recording.processes:
        for event in process.others:
            if event["ev"] == "undeclared":
                rows[f"a worker started without the declaration: {event['reason']}"] += 1
            elif event["ev"] == "unmatched":
                rows[f"tasks without what was declared as of their submit: {event['reason']}"] += 1
    if seen.recording.main is None and seen.recording.note:
        why = "the recording's disk is full?" if seen.recording.unread else _IGNORED
        rows[f"the program itself could not be observed ({why})"] += 1
    return [{"reason": reason, "count": count} for reason, count in rows.items()]


def _unobserved_programs(seen: View, rows: Counter[str]) -> None:
    found = _found(seen)
    for process in seen.recording.processes:
        for launch in process.launches:
            # A fork server that is observed makes observed workers whatever the parent has.
            if launch.get("unobserved") and id(launch) not in found:
                rows[f"a Python child {launch['unobserved']}"] += 1


def _stillborn(seen: View, rows: Counter[str]) -> None:
    """Count the workers that were started and left no line."""
    found = _found(seen)
    # Those of which a first line is there, but not the one that tells their name.
    alone = Counter(
        (origin.parent.journal, origin.start_method)
        for process, origin in _origins(seen)
        if origin.launch is None and origin.parent and process.bootstrap is None
    )
    for process in seen.recording.processes:
        for launch in process.launches:
            if launch["method"] == "exec" or launch.get("unobserved") or id(launch) in found:
                continue
            if alone[process.journal, launch["method"]] > 0:
                alone[process.journal, launch["method"]] -= 1
                rows[f"a {launch['method']} worker that ended before its bootstrap"] += 1
            else:
                rows[f"a {launch['method']} {_SILENT}"] += 1


def _found(seen: View) -> set[int]:
    """Give the identities of the launches of which the process has a journal."""
    return {id(origin.launch) for origin in seen.origins.values() if origin.launch}


def _origins(seen: View) -> list[tuple[Any, Any]]:
    return [(process, seen.origin(process)) for process in seen.recording.processes]


def _opaque(seen: View, rows: Counter[str]) -> None:
    for process in seen.workers:
        if (process.bootstrap or {}).get("loop") == "opaque" or process.how == "ray":
            backend = seen.origin(process).backend
            rows[f"the tasks of a {backend} worker (only its birth and death are seen)"] += 1


def _damaged(seen: View, rows: Counter[str]) -> None:
    # A worker that ended before its first line may have made its journal.
    stillborn = sum(count for reason, count in rows.items() if reason.endswith(_SILENT))
    if seen.recording.unread > stillborn:
        rows["a journal without its first line (the disk full?)"] = (
            seen.recording.unread - stillborn
        )
    for process in seen.recording.processes:
        if process.torn:
            rows["a journal with a line that is cut (killed while writing, or the disk full)"] += 1
        lost = sum(event["lost"] for event in process.others if event["ev"] == "lost")
        if lost:
            rows["lines that could not be written (the recording's disk is full?)"] += lost
