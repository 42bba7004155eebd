"""What a document says of the tasks that were run again (`run --purity`)."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from workerstate.observe import rerun

if TYPE_CHECKING:
    from workerstate.observe.view import View

_SAMPLED = ("pool", "futures")  # the loops whose tasks are kept


def section(seen: View) -> dict[str, Any]:
    """Give the part ``purity`` of a document; nothing if the tasks were not to be run again."""
    found = rerun.read(seen.recording.folder)
    if found is None:
        return {}
    reasons = Counter(found.get("not_compared", {}))
    for process in seen.workers:
        loop = (process.bootstrap or {}).get("loop")
        if process.tasks and loop and loop not in _SAMPLED:
            backend = seen.origin(process).backend
            hint = " (use Executor.purity)" if backend == "workerstate" else ""
            reasons[f"tasks of {backend} workers are not sampled{hint}"] += len(process.tasks)
    return {
        "purity": {
            "sampled": found.get("sampled", 0),
            "differing": differing(seen),
            "unsteady": found.get("unsteady", 0),
            "otherwise": found.get("otherwise", 0),
            "undecided": found.get("undecided", 0),
            "not_compared": [{"reason": each, "count": many} for each, many in reasons.items()],
            "without_main": found.get("without_main"),
            "problem": found.get("problem"),
        }
    }


def differing(seen: View) -> list[dict[str, Any]]:
    """Give the tasks whose result depends on what ran in their worker before."""
    found = rerun.read(seen.recording.folder) or {}
    numbers = {process.journal: number for number, process in enumerate(seen.workers, 1)}
    return [
        {"worker": numbers.get(row["journal"]), **{k: v for k, v in row.items() if k != "journal"}}
        for row in found.get("differing", ())
    ]
