"""WS4xx: what tasks bring along, and what workers can't read."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from workerstate.observe.rules.rule import Rule, count
from workerstate.observe.view import running_task, status_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workerstate.observe.view import View
    from workerstate.values import Finding

_MUCH = 8 << 20  # bytes sent again that are worth a word
_OFTEN = 4


def _check_payload(rule: Rule, seen: View) -> Iterator[Finding]:
    sent: dict[tuple[str, str], list[int]] = {}
    carriers: dict[str, str | None] = {}
    for process in seen.workers:
        for task in process.tasks:
            if task.mark is not None:
                sent.setdefault((task.function, task.mark), []).append(task.size)
                carriers[task.function] = task.carrier
    for (function, _), sizes in sent.items():
        if len(sizes) < _OFTEN or sum(sizes) < _MUCH:
            continue
        size, total = sizes[0] / (1 << 20), sum(sizes) / (1 << 20)
        carrier = carriers[function]
        because = f" ({carrier}: what it holds travels with every task)" if carrier else ""
        yield rule.finding(
            f"each of {len(sizes)} tasks of {function} brought the same {size:.1f} MiB, "
            f"{total:.0f} MiB in all{because}"
        )


def _check_unreadable(rule: Rule, seen: View) -> Iterator[Finding]:
    failed: Counter[str] = Counter()
    for process in seen.workers:
        status = status_of(process)
        loop = (process.bootstrap or {}).get("loop")
        if loop in (None, "opaque") or process.born is None or status is None or status <= 0:
            continue
        if running_task(process) is None and loop in ("pool", "futures"):
            failed[seen.origin(process).backend] += 1
    for backend, number in failed.items():
        yield rule.finding(
            f"{count(number, f'{backend} worker')} ended between two tasks with an error, as "
            f"happens when the next task can't be unpickled"
        )


RULES = (
    Rule(
        "WS401",
        "same-payload-every-task",
        "Every task brings the same large object along.",
        "A bound method takes its object with it, a partial its arguments, a function of "
        "__main__ (under loky) the globals it names: pickled and sent again for each task.",
        "The size of each task's message and a mark of its middle are noted in the worker; "
        f"at least {_OFTEN} messages that agree, of {_MUCH >> 20} MiB together, are reported.",
        "Load the object once per worker (initializer= and a module global), or send what is "
        "needed of it.",
        _check_payload,
    ),
    Rule(
        "WS402",
        "task-unreadable",
        "A worker ended because it could not read its next task.",
        "A task is unpickled in the worker. If a module or name is missing there, the worker "
        "ends: multiprocessing.Pool then waits for ever, executors call the pool broken.",
        "A worker that ended with an error after its start, outside any task, was reading one.",
        "See the worker's traceback on stderr for the name; make the function importable in the "
        "worker (no functions of a notebook, of stdin or of a module loaded by hand).",
        _check_unreadable,
    ),
)
