"""Judges of the claims about multiprocessing's start methods."""

from __future__ import annotations

from workerstate.lab.evidence import Observed, handlers_at_birth, importers
from workerstate.lab.verdict import Verdict, count


def handlers(observed: Observed, *, expected: bool) -> Verdict:
    """Do the workers have the parent's handlers, as ``expected``?"""
    kept = handlers_at_birth(observed)
    printed = {line.pid: line.handlers for line in observed.printed if line.what == "foo.report"}
    parent = observed.parent.handlers
    numbers = sorted(set(printed.values()))
    seen = (
        f"handlers: {parent} in the parent, {' or '.join(map(str, numbers))} in each of "
        f"{count(len(kept), 'worker')}"
    )
    evidence = {
        "parent_handlers": parent,
        "handlers_by_pid": printed,
        "kept_at_birth_by_pid": kept,
    }
    return Verdict(all(value is expected for value in kept.values()), seen, evidence)


def imports(observed: Observed, *, expected: bool) -> Verdict:
    """Did each worker import foo, as ``expected``?"""
    workers = {worker["pid"] for worker in observed.workers}
    helpers = {helper["pid"]: helper["kind"] for helper in observed.document["helpers"]}
    found = importers(observed, "foo")
    again = found & workers
    evidence = {
        "parent": observed.parent.pid,
        "workers": sorted(workers),
        "imported_by": sorted(found),
        "helpers": helpers,
    }
    seen = f"imported in the parent and in {len(again)} of {count(len(workers), 'worker')}"
    server = next((pid for pid in found if helpers.get(pid) == "fork server"), None)
    if server is not None and not again:
        seen = (
            "imported once in the fork server, and the workers are forked from it: from Python "
            "3.13.8 and 3.14.1 on the server imports the main script and all that it imports"
        )
    holds = again == workers if expected else not again
    return Verdict(holds, seen, evidence)
