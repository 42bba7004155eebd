"""Judges of the claims about joblib's workers."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from workerstate.lab.evidence import (
    Call,
    MissingEvidence,
    Observed,
    calls,
    handlers_at_birth,
    importers,
)
from workerstate.lab.verdict import Verdict, count

NEEDS_BAR = ("bar_function", "both")


def handlers(observed: Observed) -> Verdict:
    """Were all workers born without the parent's handlers?"""
    kept = handlers_at_birth(observed)
    parent = observed.parent.handlers
    without = [pid for pid, value in kept.items() if not value]
    evidence = {
        "parent_handlers": parent,
        "kept_at_birth_by_pid": kept,
        "handlers_in_first_call": calls(observed)[0].handlers(),
    }
    seen = (
        f"handlers: {parent} in the parent, none in {len(without)} of {count(len(kept), 'worker')}"
    )
    return Verdict(len(without) == len(kept), seen, evidence)


def imports(observed: Observed) -> Verdict:
    """Did each worker import foo in the first call that gave it a task of foo's, and only then?"""
    importers(observed, "foo")
    new: list[int] = []
    wrong: list[dict[str, int]] = []
    seen: set[int] = set()
    for call in calls(observed):
        if not call.task.startswith("foo."):
            continue
        imported = call.importers("foo")
        for pid in sorted(call.pids):
            if pid not in seen:
                new.append(pid)
            if imported.count(pid) != (pid not in seen):
                wrong.append({"call": call.number, "pid": pid, "imports": imported.count(pid)})
        seen |= call.pids
    evidence = {"new": new, "unexpected": wrong}
    text = f"each of {count(len(new), 'new worker')} once, none again in a later call"
    if wrong:
        text = f"unexpected in {count(len(wrong), 'case')}, first in call {wrong[0]['call']}"
    return Verdict(not wrong, text, evidence)


def reuse(observed: Observed) -> Verdict:
    """Did each call with the n_jobs of the call before use workers of that call?"""
    pairs = [pair for pair in _pairs(calls(observed)) if pair[0].n_jobs == pair[1].n_jobs]
    if not pairs:
        raise MissingEvidence("no two calls in a row had the same n_jobs")
    broken = [new for old, new in pairs if not _kept(old, new)]
    tasks = [pairs[0][0].tasks, *(new.tasks for _, new in pairs)]
    evidence = {"calls": [_shown(call) for call in (pairs[0][0], *(new for _, new in pairs))]}
    if broken:
        reason = f"call {broken[0].number} had other workers: {broken[0].pool['reason']}"
        return Verdict(False, reason, evidence)
    served = pairs[0][0].pids.union(*(new.pids for _, new in pairs))
    seen = f"{', '.join(map(str, tasks))} tasks: always the same {count(len(served), 'worker')}"
    return Verdict(True, seen, evidence)


def handlers_stay(observed: Observed) -> Verdict:
    """Does each reused worker go on counting its handlers where the call before ended?"""
    counts: dict[int, list[int]] = {}
    restarted: list[int] = []
    for old, new in _pairs([c for c in calls(observed) if c.task == "foo.add_handler"]):
        before, after = old.handlers(), new.handlers()
        for pid in sorted(old.pids & new.pids):
            counts.setdefault(pid, list(before[pid])).extend(after[pid])
            if after[pid][0] != before[pid][-1] + 1:
                restarted.append(pid)
    if not counts:
        raise MissingEvidence("no worker served two calls in a row that add handlers")
    evidence = {"handlers_by_pid": counts, "restarted": restarted}
    longest = sorted(counts.values(), key=len)[-1]
    seen = f"handlers after each task of one worker: {', '.join(map(str, longest))}"
    if restarted:
        seen += f"; {count(len(set(restarted)), 'worker')} did not continue the count"
    return Verdict(not restarted, seen, evidence)


def new_workers(observed: Observed) -> Verdict:
    """Did every change of n_jobs bring a new pool?"""
    changes = _changes(observed)
    kept = [new for old, new in changes if _kept(old, new)]
    evidence = {
        "cpu_count": _processors(observed),
        "changes": [_change(old, new) for old, new in changes],
    }
    if not kept:
        return Verdict(True, f"{count(len(changes), 'change')}, each with a new pool", evidence)
    reason = (
        f"not a law: {len(kept)} of {count(len(changes), 'change')} kept workers. A new pool comes "
        "where cpu_count // n_jobs changes, the threads that joblib allows each worker, or where "
        "n_jobs exceeds the queue of the pool" + _limit(observed)
    )
    return Verdict(False, reason, evidence)


def new_workers_at(observed: Observed, *, old: int, new: int) -> Verdict:
    """Did the changes of n_jobs from ``old`` to ``new`` bring a new pool?"""
    found = [pair for pair in _changes(observed) if (pair[0].n_jobs, pair[1].n_jobs) == (old, new)]
    if not found:
        raise MissingEvidence(f"no call changed n_jobs from {old} to {new}")
    kept = [pair[1] for pair in found if _kept(*pair)]
    evidence = {"changes": [_change(*pair) for pair in found]}
    shown = kept[0] if kept else found[0][1]
    return Verdict(not kept, str(shown.pool["reason"]), evidence)


def bar_function(observed: Observed) -> Verdict:
    """Did exactly those workers import bar that had a task with a function of it?"""
    made = calls(observed)
    needed: set[int] = set()
    for call in made:
        needed |= call.pids if call.task in NEEDS_BAR else set()
    imported = importers(observed, "bar") - {observed.parent.pid}
    other = [
        {"call": call.number, "task": call.task, "pids": call.importers("bar")}
        for call in made
        if call.task not in NEEDS_BAR and call.importers("bar")
    ]
    evidence = {"needed": sorted(needed), "imported": sorted(imported), "in_other_calls": other}
    if other:
        reason = f"imported in call {other[0]['call']}, whose tasks need none of its functions"
        return Verdict(False, reason, evidence)
    seen = (
        f"{len(imported & needed)} of {count(len(needed), 'worker')} with such a task imported it"
    )
    everyone = {worker["pid"] for worker in observed.workers}
    seen += f", and {len(imported - needed)} of {len(everyone - needed)} others"
    return Verdict(imported == needed, seen, evidence)


def bar_global(observed: Observed) -> Verdict:
    """Did the global arrive in workers that had not imported bar, and did they not import it?"""
    made = calls(observed)
    found = [call for call in made if call.task == "bar_global"]
    if not found:
        raise MissingEvidence("no call had a task that needs the global alone")
    call = found[0]
    earlier = {pid for other in made[: made.index(call)] for pid in other.importers("bar")}
    fresh = sorted(call.pids - earlier)
    if not fresh:
        raise MissingEvidence("every worker of the call had imported bar before")
    lines = {line.pid: line for line in call.printed if line.what == "bar_global"}
    right = [pid for pid in fresh if lines[pid].fields["right"] == "1"]
    imported = [pid for pid in fresh if lines[pid].fields["bar"] == "1"]
    evidence = {"fresh_workers": fresh, "right_value": right, "imported_bar": imported}
    seen = (
        f"right value in {len(right)} of {count(len(fresh), 'worker')} that had not imported bar; "
        f"{len(imported)} imported it for that"
    )
    return Verdict(right == fresh and not imported, seen, evidence)


def _processors(observed: Observed) -> int | None:
    """Give the number of processors that joblib sees."""
    found = [line.fields["cpu_count"] for line in observed.printed if line.what == "processors"]
    return int(found[0]) if found else None


def _limit(observed: Observed) -> str:
    """Say where joblib does not see as many processors as were to be simulated."""
    asked = observed.document.get("environment", {}).get("simulated_cpus")
    seen = _processors(observed)
    if asked is None or seen is None or asked == seen:
        return ""
    return (
        f". joblib sees {seen} processors, not the {asked} asked for: there is a limit from "
        "LOKY_MAX_CPU_COUNT or a control group"
    )


def _pairs(made: list[Call]) -> list[tuple[Call, Call]]:
    return list(pairwise(made))


def _changes(observed: Observed) -> list[tuple[Call, Call]]:
    """Give the calls whose n_jobs differs from the call before, with that call."""
    changes = [pair for pair in _pairs(calls(observed)) if pair[0].n_jobs != pair[1].n_jobs]
    if not changes:
        raise MissingEvidence("no call changed n_jobs")
    return changes


def _kept(old: Call, new: Call) -> bool:
    """Tell whether the pool was kept from one call to the next.

    Raises:
        MissingEvidence: the workers seen contradict what the recording says of the pool.
    """
    kept = new.pool["event"] != "replaced"
    if kept is not bool(old.pids & new.pids):
        raise MissingEvidence(
            f"the pool of call {new.number} is said to be {new.pool['event']}, "
            f"but {count(len(old.pids & new.pids), 'worker')} of the call before served it"
        )
    return kept


def _change(old: Call, new: Call) -> dict[str, Any]:
    return {
        "call": new.number,
        "n_jobs": [old.n_jobs, new.n_jobs],
        "event": new.pool["event"],
        "reason": new.pool["reason"],
        "pids_before": sorted(old.pids),
        "pids": sorted(new.pids),
    }


def _shown(call: Call) -> dict[str, Any]:
    pids: Iterable[int] = sorted(call.pids)
    return {"call": call.number, "tasks": call.tasks, "pids": pids, "event": call.pool["event"]}
