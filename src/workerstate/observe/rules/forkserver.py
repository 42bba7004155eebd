"""WS11x: what only a fork server does: it keeps its first state, and shares what it imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workerstate.observe.rules.rule import Rule, listed, where_set
from workerstate.observe.view import differences

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workerstate.observe.reading import Process
    from workerstate.observe.view import View
    from workerstate.values import Finding

# The facets of which a forked worker has the server's state, not the parent's.
_FROZEN = ("environ", "umask", "TZ", "timezone", "rlimit", "nice", "affinity", "SIG")
# What the server sets for itself and puts back in each worker.
_SERVERS_OWN = ("signals SIGINT", "signals SIGCHLD")


def _by_server(seen: View) -> dict[str, list[Process]]:
    out: dict[str, list[Process]] = {}
    for process in seen.workers:
        if seen.origin(process).start_method == "forkserver":
            server = seen.recording.at(process.ppid, process.started)
            if server is not None:
                out.setdefault(server.journal, []).append(process)
    return out


def _check_frozen(rule: Rule, seen: View) -> Iterator[Finding]:
    found: dict[tuple[str, str], int] = {}
    for process in (p for workers in _by_server(seen).values() for p in workers):
        server = seen.recording.at(process.ppid, process.started)
        before = seen.states.at_launch(process, None, server) or {}
        for row in differences(seen, process):
            said = f"{row['facet']} {row['key']}"
            if not any(word in said for word in _FROZEN) or row["facet"] in ("modules", "logging"):
                continue
            if said in _SERVERS_OWN:
                continue
            # The server's own value: what the worker set since its start is no trace of it.
            if before.get(row["facet"], {}).get(row["key"]) == row["worker"]:
                found[row["facet"], row["key"]] = found.get((row["facet"], row["key"]), 0) + 1
    if found:
        names = listed(f"{facet} {key}" for facet, key in found)
        yield rule.finding(
            f"{names} changed in the parent after the fork server had started, and "
            f"{max(found.values())} of {len(seen.workers)} workers have the old value"
        )


def _check_shared(rule: Rule, seen: View) -> Iterator[Finding]:
    for workers in _by_server(seen).values():
        groups: dict[tuple[str, str, object], list[Process]] = {}
        for process in workers:
            read = {name for event in process.reads for name in event["globals"]}
            for name, (kind, mark, _) in (process.live[0]["found"] if process.live else {}).items():
                if kind in ("socket", "temporary directory") and name in read:
                    groups.setdefault((name, kind, mark), []).append(process)
        for (name, kind, _), sharing in groups.items():
            if len(sharing) > 1:
                path, line = place(sharing[0], name)
                yield rule.finding(
                    f"the {kind} {name} was made when the fork server imported the program; "
                    f"{len(sharing)} workers share that one, and their tasks use it",
                    path=path,
                    line=line,
                )


def _check_thread(rule: Rule, seen: View) -> Iterator[Finding]:
    servers = {p.journal: p for p in seen.recording.processes if p.how == "forkserver"}
    for journal, workers in _by_server(seen).items():
        server = servers.get(journal)
        names = [n for event in (server.live if server else []) for n in event["threads"]]
        if names:
            yield rule.finding(
                f"the fork server runs {listed(names)}, started when it imported the program; "
                f"none of its {len(workers)} workers has that thread"
            )


def place(process: Process, name: str) -> tuple[str | None, int | None]:
    """Give the file and line where a live object of the program is made."""
    module, _, rest = name.rpartition(".")
    path = process.live[0]["files"].get(module)
    return path, where_set(path, rest)


IMPORTED_ONCE = (
    "Since Python 3.13.8 and 3.14.1 the fork server imports the main module once, before it "
    "forks the workers (python/cpython#135295); on Linux it is the default start method since "
    "3.14. What that import makes exists once, in the server, and every worker has a copy of it."
)

RULES = (
    Rule(
        "WS110",
        "forkserver-frozen-state",
        "Workers have an environment, umask, time zone or limit that the parent has changed since.",
        "The fork server starts with the interpreter's first Process.start() and keeps the state "
        "of that moment: environment variables, umask, TZ, limits, niceness, affinity and ignored "
        "signals that the parent changes later never reach a worker, not even in a new pool.",
        "A worker's state is compared with the parent's at the moment it was started, and with "
        "the fork server's: a difference in which it has the server's value is reported.",
        "Set these before the first process is started, or set them in the pool's initializer=; "
        "or use spawn.",
        _check_frozen,
    ),
    Rule(
        "WS112",
        "forkserver-shared-object",
        "A socket or temporary directory of a module is one for all workers of a fork server.",
        IMPORTED_ONCE + " A socket is then the same connection in all of them, and a temporary "
        "directory is removed by whoever ends first.",
        "Sockets are compared by inode and temporary directories by name between the workers of "
        "one fork server; only objects that the code of the tasks can read are reported.",
        "Make it in the pool's initializer=, not at import.",
        _check_shared,
    ),
    Rule(
        "WS113",
        "forkserver-thread-dead",
        "A thread that is started at import runs in the fork server and in none of its workers.",
        IMPORTED_ONCE + " A thread is not copied by fork: its object is there, dead.",
        "The threads of the fork server are listed each time it forks a worker.",
        "Start the thread in the pool's initializer=, not at import.",
        _check_thread,
    ),
)
