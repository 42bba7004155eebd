"""Puts together what the requests and the answers say: the findings of one audit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workerstate.audit import lacking, settings, shared, unseeded
from workerstate.audit.branches import branches
from workerstate.audit.case import Case
from workerstate.audit.executed import Narrowed
from workerstate.audit.finding import Inherited
from workerstate.audit.places import Places

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from workerstate.audit.executed import Executed
    from workerstate.audit.finding import Inherited


def findings(
    requests: Sequence[dict[str, Any]], targets: Any, executed: Executed
) -> list[Inherited]:
    """Give all findings, each name once, by code and name.

    Args:
        requests: what the program's processes asked, and was answered.
        targets: gives the start methods that are asked about, of a request.
        executed: what tasks were seen to run.
    """
    files: dict[str, str] = {}
    later: dict[str, list[Any]] = {}
    late: dict[str, list[dict[str, str]]] = {}
    for request in requests:
        if "again" in request:
            later.setdefault(request["task"], []).append(request)
            late.setdefault(request["task"], []).extend(request["late"])
        else:
            files.update(request["module_files"])
    places = Places(files)
    rows: list[Inherited] = []
    for request in requests:
        if "again" in request:
            continue
        request["late"] += late.get(request["task"], [])
        states = [(request["values"], request["facets"])]
        states += [(a["again"], a["facets"]) for a in later.get(request["task"], ())]
        for target in targets(request):
            for values, facets in states:
                rows += _of_state(Case(request, target, values, facets, places), executed)
    return _merged(rows)


def _of_state(case: Case, executed: Executed) -> list[Inherited]:
    """Give the findings of a task, as its names and settings were at one moment."""
    request = case.request
    if not executed.tells_of(request):
        return list(_of_task(case))
    narrowed = Narrowed(request, executed)
    values = narrowed.values(case.values)
    found = list(_of_task(Case(narrowed.request, case.target, values, case.facets, case.places)))
    if not found or request["method"] == "fork":
        return found
    # In workers that lacked something, the tasks may have taken another way because of that.
    reads = {**request["reads"], "open_stores": narrowed.request["reads"]["open_stores"]}
    whole = {**request, "reads": reads}
    return list(_of_task(Case(whole, case.target, case.values, case.facets, case.places)))


def _of_task(case: Case) -> Iterator[Inherited]:
    yield from _for_any(case)
    if case.target == "fork":
        yield from shared.by_fork(case)
        yield from lacking.set_late(case)
        yield from unseeded.findings(case)
    elif case.answers:
        yield from _unimportable(case)
        yield from lacking.missing(case)
        yield from lacking.unsent(case)
        yield from lacking.set_late(case)
        yield from settings.findings(case)
        yield from unseeded.findings(case)
        if case.target == "forkserver":
            yield from shared.by_server(case)
    if case.target != "fork":
        yield from _branches(case)
    if case.target in ("spawn", "forkserver"):
        yield from _unguarded(case)
        yield from _unsendable(case)


def _failed(case: Case) -> dict[str, str]:
    found: dict[str, str] = case.answer["failed"] if case.answers else {}
    return found


def _unimportable(case: Case) -> Iterator[Inherited]:
    for module, error in case.answer["failed"].items():
        if case.set_up_by_library and module in case.reads["imports"]:
            continue  # it is imported by the task, after that
        yield case.finding(
            "unimportable",
            f"sys.modules['{module}']",
            f"a {case.target} worker can't import {module}, which the task "
            f"{case.request['task']} needs to be read: {error}",
            parent="imported",
            worker=error,
            reason="make the module importable: a file on the import path",
        )


def _unguarded(case: Case) -> Iterator[Inherited]:
    stack = case.request["stack"]
    if not case.request["main_guarded"]:
        yield case.finding(
            "unguarded",
            "__main__",
            f"{stack['path']}:{stack['line']} starts workers outside of "
            f"if __name__ == '__main__': a {case.target} worker runs it again when it imports "
            "the script, and fails",
            parent="runs once",
            worker="would run again",
            read=f"{stack['path']}:{stack['line']}",
            reason="put it below if __name__ == '__main__':",
        )
    elif case.request.get("main_failed") not in (None, *_failed(case).values()):
        yield case.finding(
            "unguarded",
            "__main__",
            f"a {case.target} worker can't import the main module: {case.request['main_failed']}",
            parent="runs once",
            worker=case.request["main_failed"],
            reason="put what only the parent can do below if __name__ == '__main__':",
        )


def _branches(case: Case) -> Iterator[Inherited]:
    for module, path in case.request["module_files"].items():
        for name, line in branches(module, path):
            yield case.finding(
                "branch",
                name,
                f"{name} does something else where the start method is {case.target}: it compares "
                "it to fork",
                parent="fork",
                worker=case.target,
                read=f"{path}:{line}",
                reason="ask for what is needed rather than for the start method",
            )


def _unsendable(case: Case) -> Iterator[Inherited]:
    if case.request["by"] == "pool":
        return  # it pickles its tasks under fork too, and says so
    for way, what, kind in case.request["arguments"]["unsendable"]:
        name = what if kind == "function" else f"{case.request['task'].replace(':', '.')}"
        yield case.finding(
            "unsendable",
            name,
            f"{way} of the process can't be pickled ({what}): under {case.target} it can't start",
            parent=what,
            worker=None,
            reason="define functions at the top of a module; make connections in the worker",
        )


def _for_any(case: Case) -> Iterator[Inherited]:
    for name, (why, at) in case.reads["exceptions"].items():
        yield case.finding(
            "exception",
            name,
            f"{case.request['task']} raises {name}, which can't be made again from a pickle: {why}",
            parent=name,
            worker=why,
            read=at,
            reason="give Exception.__init__ all arguments, or define __reduce__",
        )
    if case.request["by"] == "pool" or case.target != "fork":
        for root in case.request["arguments"]["copied"]:
            yield case.finding(
                "identity",
                case.home(root),
                f"{root} is known by its identity, and arrives in a worker as a copy: the "
                f"comparison by 'is' in {case.request['task']} fails",
                parent="one object",
                worker="a copy that is another object",
                read=case.reads["identity"].get(root),
                set_=case.places.where(root, (), case.followed),
                reason="use an enum member or None, or give its class __reduce__",
            )


def _merged(rows: Iterable[Inherited]) -> list[Inherited]:
    """Give each name once: all its tasks and targets together."""
    found: dict[str, Inherited] = {}
    for row in rows:
        known = found.get(row.name)
        if known is None:
            found[row.name] = row
            continue
        tasks = list(dict.fromkeys([*known.task.split(", "), *row.task.split(", ")]))
        goals = tuple(dict.fromkeys([*known.targets, *row.targets]))
        found[row.name] = known.replace(task=", ".join(tasks), targets=goals)
    return sorted(found.values(), key=lambda row: (row.code, row.name))
