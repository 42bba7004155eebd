"""WS3xx: pools whose workers are not alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workerstate.observe.rules.rule import Rule, listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workerstate.observe.reading import Process
    from workerstate.observe.view import View
    from workerstate.values import Finding

_COMPARED = {"environ": "environment variable ", "cwd": "", "sys_path": "sys."}


def _check_mixed(rule: Rule, seen: View) -> Iterator[Finding]:
    for call, workers in _by_call(seen).items():
        states = [seen.states.born(process) for process in workers]
        # Only what came from the parent at different moments makes a fleet mixed.
        born = {seen.origin(process).launch["snapshot"] for process in workers}  # type: ignore[index]
        if len(born) < 2:
            continue
        different = []
        for facet, prefix in _COMPARED.items():
            rows = [(state or {}).get(facet, {}) for state in states]
            for key in sorted({key for row in rows for key in row}):
                parents = {_parent(seen, process, facet, key) for process in workers}
                if len({row.get(key) for row in rows}) > 1 and len(parents) > 1:
                    different.append(prefix + key)
        if different:
            yield rule.finding(
                f"call {call[0]} ran on {len(workers)} workers that do not agree on "
                f"{listed(different)}: they were started at different moments",
                path=call[1],
                line=call[2],
            )


def _parent(seen: View, process: Process, facet: str, key: str) -> str | None:
    origin = seen.origin(process)
    state = seen.states.at_launch(process, origin.launch, origin.parent) or {}
    return state.get(facet, {}).get(key)


def _by_call(seen: View) -> dict[tuple[int, str | None, int | None], list[Process]]:
    out: dict[tuple[int, str | None, int | None], list[Process]] = {}
    for process in seen.workers:
        origin = seen.origin(process)
        if process.born is None or not origin.launch or not origin.launch.get("snapshot"):
            continue
        for task in process.tasks:
            call = seen.calls.of(origin, task.work, task.begin)
            if call is not None:
                workers = out.setdefault((call["n"], call["path"], call["line"]), [])
                if process not in workers:
                    workers.append(process)
    return out


RULES = (
    Rule(
        "WS301",
        "mixed-fleet",
        "The workers of one call do not agree on their environment, directory or path.",
        "A pool that grows, or replaces a worker, starts the new one with the parent's state of "
        "that moment, beside workers that have the state of an earlier one.",
        "The birth states of the workers that served one call are compared with each other; "
        "only what the parent had changed in between is reported.",
        "Set the state before the first call, or shut the pool down after changing it "
        "(joblib: get_reusable_executor().shutdown()).",
        _check_mixed,
    ),
)
