"""The pools of a program: for each call, whether its pool is new, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workerstate.observe.pool_history import PoolHistory

if TYPE_CHECKING:
    from workerstate.observe.view import View


def number_calls(seen: View) -> dict[int, int]:
    """Number the calls of the whole program by their first tasks: identity -> number."""
    calls = sorted(
        (call for process in seen.recording.processes for call in process.calls),
        key=lambda call: call["t"],
    )
    return {id(call): number for number, call in enumerate(calls, 1)}


def events(seen: View, numbers: dict[int, int]) -> list[dict[str, Any]]:
    """Say of each call what became of its pool, with the values that decided."""
    rows = []
    for process in seen.recording.processes:
        history = PoolHistory()
        known: dict[int, int] = {}
        for call in process.calls:
            event, reason = _event(call, history, known)
            rows.append(
                {
                    "call": numbers[id(call)],
                    "pid": process.pid,
                    "backend": call["library"],
                    "api": call["api"],
                    "path": call["path"],
                    "line": call["line"],
                    "n_jobs": call["n_jobs"],
                    "event": event,
                    "reason": reason,
                }
            )
    return sorted(rows, key=lambda row: int(row["call"]))


def _event(call: dict[str, Any], history: PoolHistory, known: dict[int, int]) -> tuple[str, str]:
    facts = call.get("facts")
    if facts is None:
        size = call["n_jobs"]
        if call["pool"] in known:
            return "reused", f"the same {call['library']} pool, {size} workers"
        known[call["pool"]] = size
        return "created", f"a new {call['library']} pool, {size} workers"
    return history.explain(facts, call.get("found"))


def versions(seen: View) -> dict[str, str]:
    """Give the versions of the libraries whose pools the program used."""
    out: dict[str, str] = {}
    for process in seen.recording.processes:
        for call in process.calls:
            out.update((call.get("facts") or {}).get("versions", {}))
    return out
