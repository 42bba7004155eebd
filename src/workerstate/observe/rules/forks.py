"""Faults of a fork: what is copied into workers in a state that was meant for one process."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from workerstate.observe.rules.forkserver import IMPORTED_ONCE, place
from workerstate.observe.rules.rule import Rule, listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workerstate.observe.document import View
    from workerstate.observe.reading import Process
    from workerstate.values import Finding


def _check_stream(rule: Rule, seen: View) -> Iterator[Finding]:
    """Find generators from which several workers drew the same numbers."""
    groups: dict[tuple[str, object, object], list[Process]] = {}
    for process in seen.workers:
        if process.live:
            for name, (kind, stream, position) in process.live[0]["found"].items():
                if kind == "random generator":
                    groups.setdefault((name, stream, position), []).append(process)
    for (name, stream, position), workers in groups.items():
        same = _drew_alike(workers, name, stream, position)
        if len(same) > 1:
            path, line = place(same[0], name)
            yield rule.finding(
                f"{len(same)} workers ({seen.origin(same[0]).start_method}) began with the same "
                f"state of {name} and drew from it: they got the same numbers",
                path=path,
                line=line,
            )


def _drew_alike(
    workers: list[Process], name: str, stream: object, position: object
) -> list[Process]:
    """Give the workers that drew from a generator as they had been born with it.

    A stream that is another one afterwards was seeded by the task, or went on to its next block;
    in the latter case other workers are seen on that block too.
    """
    after: dict[str, list[tuple[object, object]]] = {}
    for process in workers:
        rows = [event["found"][name] for event in process.draws if name in event["found"]]
        moved = [(row[1], row[2]) for row in rows if (row[1], row[2]) != (stream, position)]
        if moved:
            after[process.journal] = moved
    streams = Counter(s for moved in after.values() for s in {s for s, _ in moved})
    return [
        process
        for process in workers
        if any(s == stream or streams[s] > 1 for s, _ in after.get(process.journal, ()))
    ]


def _check_locks(rule: Rule, seen: View) -> Iterator[Finding]:
    found: dict[str, list[Process]] = {}
    for process in seen.workers:
        read = {name for event in process.reads for name in event["globals"]}
        for name, (kind, _, held) in (process.live[0]["found"] if process.live else {}).items():
            if kind == "lock" and held and name in read:
                found.setdefault(name, []).append(process)
    for name, workers in found.items():
        threads = _threads(seen, workers[0])
        holder = f"; the parent ran {listed(threads)}" if threads else ""
        path, line = place(workers[0], name)
        yield rule.finding(
            f"{name} was held when {len(workers)} workers were forked, nobody in them can release "
            f"it, and their tasks use it{holder}",
            path=path,
            line=line,
        )


def _threads(seen: View, process: Process) -> list[str]:
    texts = seen.states.at_launch(process, None, seen.origin(process).parent) or {}
    names = texts.get("threads", {}).get("names")
    return [names] if names else []


RULES = (
    Rule(
        "WS111",
        "random-stream-shared",
        "Several workers began with the same state of a random generator and drew from it.",
        "A forked process has a copy of each generator of its maker, in the same state, so all "
        "draw the same numbers. Python seeds only its own random module anew. " + IMPORTED_ONCE,
        "The states of numpy's global generator and of generators among the program's globals "
        "are compared between workers at birth, and looked at again after the first tasks.",
        "Seed each worker or, better, each task: a generator made in the task from (seed, task "
        "number), for example numpy.random.default_rng([seed, number]).",
        _check_stream,
    ),
    Rule(
        "WS501",
        "lock-held-at-fork",
        "A lock was held at the moment of the fork, and tasks wait for it for ever.",
        "fork copies the lock in its held state, but not the thread that holds it: the first "
        "task that takes the lock never returns (POSIX fork; python/cpython#90622).",
        "In a freshly forked worker the locks among the program's globals are looked at; one "
        "that is held and that the code of the tasks can read is reported.",
        "Start the workers before the threads, use spawn or forkserver, or make the lock anew "
        "in the worker (os.register_at_fork).",
        _check_locks,
    ),
)
