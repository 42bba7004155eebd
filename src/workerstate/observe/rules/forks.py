"""Faults of a fork: what is copied into workers in a state that was meant for one process."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from workerstate.observe.rules.forkserver import IMPORTED_ONCE, place
from workerstate.observe.rules.rule import Rule, count, listed, where_set

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workerstate.observe.reading import Process
    from workerstate.observe.view import View
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


def _check_connections(rule: Rule, seen: View) -> Iterator[Finding]:
    found: dict[str, list[tuple[Process, str, str | None]]] = {}
    for process in seen.workers:
        for event in process.connections:
            for name, what in event["found"].items():
                path = event["files"].get(name.rpartition(".")[0])
                found.setdefault(name, []).append((process, what, path))
    for name, rows in found.items():
        process, what, path = rows[0]
        workers = len({row[0].journal for row in rows})
        yield rule.finding(
            f"{name} holds a {what} that was opened before the fork; {count(workers, 'worker')} "
            "and the parent read from and write to the same one, and tasks use it",
            path=path,
            line=where_set(path, name.rpartition(".")[2]),
        )


def _check_dead_threads(rule: Rule, seen: View) -> Iterator[Finding]:
    found: dict[str, list[Process]] = {}
    for process in seen.workers:
        if seen.origin(process).start_method != "fork" or not process.live:
            continue
        if process.live[0]["threads"]:
            continue  # threads of its own: the initializer's, say
        read = {name for event in process.reads for name in event["globals"]}
        checks = any("is_alive" in event["attributes"] for event in process.reads)
        for name, (kind, _, alive) in process.live[0]["found"].items():
            if kind == "thread" and alive and name in read and not checks:
                found.setdefault(name, []).append(process)
    for name, workers in found.items():
        path, line = place(workers[0], name)
        yield rule.finding(
            f"the thread {name} runs in the parent and in none of {count(len(workers), 'worker')} "
            "forked from it, and their tasks use it",
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
    Rule(
        "WS502",
        "connection-shared",
        "Workers use a network connection that was opened before they were forked.",
        "fork copies the descriptor, not the connection: parent and workers send over the same "
        "one and take each other's answers (psf/requests#4323, boto/botocore#1246).",
        "After a worker's first task, what the globals that its code can read hold is followed, "
        "and looked through for TCP connections that were open when it was forked.",
        "Open it in each worker (the pool's initializer=), or close it before the pool is made.",
        _check_connections,
    ),
    Rule(
        "WS503",
        "thread-not-forked",
        "Tasks rely on a thread of the parent that their worker does not have.",
        "fork copies one thread only, the one that forks. The object of any other is there and "
        "says it was started, but nobody takes what is put into its queue.",
        "The threads among the program's globals that were alive at the fork are compared with "
        "the globals that the code of the tasks can read; code that asks is_alive() is left out.",
        "Start the thread in each worker (the pool's initializer=), or make it anew after a fork "
        "(os.register_at_fork).",
        _check_dead_threads,
    ),
)
