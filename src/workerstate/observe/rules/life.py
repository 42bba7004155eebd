"""WS2xx: what happened to workers, and what their tasks left behind for the next ones."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from workerstate.observe import purity
from workerstate.observe.rules.rule import Rule, count, listed
from workerstate.observe.view import running_task, status_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workerstate.observe.reading import Process
    from workerstate.observe.view import View
    from workerstate.values import Finding

_TERM = -15  # how a pool's owner ends its workers
_GROWING = ("logging", "warnings", "sys_path", "threads")
_MOVING = ("cwd.directory", "cwd.umask")


def _check_died(rule: Rule, seen: View) -> Iterator[Finding]:
    for number, process in enumerate(seen.workers, 1):
        status, task = status_of(process), running_task(process)
        if status is None or task is None or status in (0, _TERM):
            continue
        loop = (process.bootstrap or {}).get("loop")
        if status > 0 and not loop:
            continue  # a Process whose target raised has said so itself
        ended = f"signal {-status}" if status < 0 else f"exit code {status}"
        yield rule.finding(
            f"worker {number} (pid {process.pid}) ended with {ended} while it ran {task.function}, "
            f"its task {task.number}"
        )


# Loops of whose state at birth nothing is known; our own executor tells of a failed start itself.
_TELL_NOTHING = ("opaque", "engine")


def _check_initializer(rule: Rule, seen: View) -> Iterator[Finding]:
    failed: dict[tuple[str, int], list[Process]] = {}
    for process in seen.workers:
        status = status_of(process)
        boot = process.bootstrap or {}
        if not boot.get("loop") or boot["loop"] in _TELL_NOTHING or process.born or status is None:
            continue
        if status >= 0:
            failed.setdefault((seen.origin(process).backend, process.ppid), []).append(process)
    for (backend, _), workers in failed.items():
        again = ": the pool starts new ones again and again" if len(workers) > 4 else ""
        yield rule.finding(
            f"{count(len(workers), f'{backend} worker')} ended before asking for a task, as "
            f"happens when the initializer raises{again}"
        )


def _check_accumulates(rule: Rule, seen: View) -> Iterator[Finding]:
    found: dict[tuple[str, str, str], list[tuple[int, str]]] = {}
    for number, process in enumerate(seen.workers, 1):
        growths: dict[tuple[str, str, str], list[str]] = {}
        for task in process.tasks:
            for facet, key, before, after in task.changes:
                if facet not in _GROWING or key == "files":
                    continue
                if _size(facet, after) > _size(facet, before):
                    growths.setdefault((task.function, facet, key), []).append(after)
        for key3, afters in growths.items():
            if len(afters) > 1:
                found.setdefault(key3, []).append((number, afters[-1]))
    for (function, facet, key), workers in found.items():
        number, last = max(workers, key=lambda each: _size(facet, each[1]))
        yield rule.finding(
            f"{function} adds to {facet} {key} each time it runs; worker {number} ended with "
            f"{_size(facet, last)} ({listed(last.split(', '))})"
        )


def _size(facet: str, text: str | None) -> int:
    """Tell how many things a text speaks of."""
    if not text:
        return 0
    if facet == "logging":
        return len(text.split(", "))
    counted = re.match(r"(\d+)\b", text) or re.search(r"\bof (\d+)\b", text)
    return int(counted.group(1)) if counted else 0


def _check_left(rule: Rule, seen: View) -> Iterator[Finding]:
    found: dict[tuple[str, str], list[str]] = {}
    for process in seen.workers:
        for task in process.tasks:
            for facet, key, _, _ in task.changes:
                later = [each.function for each in process.tasks if each.number > task.number]
                if f"{facet}.{key}" in _MOVING and later:
                    found.setdefault((task.function, key), []).extend(later)
    for (function, key), later in found.items():
        yield rule.finding(
            f"{function} changes the {_WORDS[key]} of its worker and leaves it so: "
            f"{count(len(later), 'later task')} ran with it ({listed(later)})"
        )


def _check_depends(rule: Rule, seen: View) -> Iterator[Finding]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in purity.differing(seen):
        found.setdefault(row["function"], []).append(row)
    for function, rows in found.items():
        one = rows[0]
        suspects = listed(one["suspects"]) or "nothing that was looked at"
        yield rule.finding(
            f"{function} gave another result than in a fresh worker in "
            f"{count(len(rows), 'sampled call')}: task {one['task']} of worker {one['worker']} "
            f"gave {one['used']}, when fresh {one['fresh']}; changed before: {suspects}"
        )


_WORDS = {"directory": "current directory", "umask": "umask"}

RULES = (
    Rule(
        "WS201",
        "worker-died",
        "A worker ended while it ran a task.",
        "A pool says at best that a process ended; which task was running is not in its error, "
        "and ProcessPoolExecutor and loky fail every other task with it.",
        "Each worker writes a line before it runs a task; the exit status is what its parent saw.",
        "Run that task alone to see it fail; SIGKILL without anybody's kill is most often the "
        "kernel's out-of-memory killer (see 'memory last seen').",
        _check_died,
    ),
    Rule(
        "WS202",
        "initializer-failed",
        "Workers ended before they asked for their first task.",
        "A failing initializer ends the worker. multiprocessing.Pool starts another one, for ever "
        "(python/cpython#87472); executors report a broken pool without the cause.",
        "A worker that ended by itself and never asked for a task has not got through its "
        "initializer.",
        "See the worker's traceback on stderr; make the initializer catch and report what it "
        "can't do.",
        _check_initializer,
    ),
    Rule(
        "WS203",
        "state-accumulates",
        "A task adds to its worker's state each time it runs.",
        "A worker is used again, and what a task leaves behind meets the next one: with k handlers "
        "each record is written k times; filters, paths and threads pile up likewise.",
        "The worker's state is read after its tasks; growth of the same kind by at least two "
        "tasks of one function in one worker is reported.",
        "Do it once per worker (in the pool's initializer=), or undo it at the end of the task.",
        _check_accumulates,
    ),
    Rule(
        "WS204",
        "state-left-behind",
        "A task changes the current directory or umask of its worker, and later tasks have it.",
        "Both belong to the process, not to the task: relative paths of whatever runs next in "
        "that worker point elsewhere, or nowhere when the directory is gone.",
        "Current directory and umask are read after each task.",
        "Use absolute paths, or restore it in a finally: (contextlib.chdir, since Python 3.11).",
        _check_left,
    ),
    Rule(
        "WS205",
        "result-depends-on-history",
        "A task gives another result in a worker that has run others than in a fresh one.",
        "Which worker gets a task, and what that has run before, is chance: such results change "
        "with the number of workers, with the order, and from run to run.",
        "Only with run --purity: a sample of the tasks is run again in fresh workers, and, where "
        "that gives another result, once more after the sampled tasks that ran before it. "
        "Reported is what differs from the fresh result both times, and is the same in two fresh "
        "workers.",
        "Give the task all that it needs as arguments, undo what it changes, or run each in a "
        "fresh worker: workerstate.Executor(clean='task').",
        _check_depends,
    ),
)
