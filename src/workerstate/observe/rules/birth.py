"""WS1xx: what workers began with is not what their tasks rely on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workerstate.observe.rules.rule import Rule, functions, listed, script, where_set
from workerstate.observe.view import differences
from workerstate.snapshot import alike

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workerstate.observe.reading import Process
    from workerstate.observe.view import View
    from workerstate.values import Finding

# Facets whose settings change results; what only changes how things print is left out.
_SETTINGS = {
    "decimal": ("prec", "rounding", "Emin", "Emax", "traps", "clamp", "capitals"),
    "numpy": ("errstate.", "err"),
    "pandas": ("mode.", "compute.", "future."),
    "sklearn": ("assume_finite", "transform_output", "enable_metadata_routing", "array_api"),
    "torch": ("default_dtype", "grad", "deterministic"),
}
# How the texts begin of values that can be compared.
_PLAIN = (
    *("bool", "int", "float", "str", "bytes", "list", "dict", "set", "tuple", "frozenset"),
    *("function", "method", "class ", "unittest.mock.", "True", "False", "None"),
)
# A value that says nothing but its type, or that differs with every process.
_VAGUE = ("in part", "not read", "lock", "Lock")


def _libraries(process: Process) -> set[str]:
    return {name for event in process.reads for name in event["libraries"]}


def _check_handlers(rule: Rule, seen: View) -> Iterator[Finding]:
    without, parent = [], ""
    for process in seen.workers:
        if "logging" not in _libraries(process):
            continue
        for row in differences(seen, process):
            lost = row["key"] == "root.handlers" and row["parent"] and not row["worker"]
            if row["facet"] == "logging" and lost:
                without.append(process)
                parent = row["parent"]
    if without:
        tasks = listed(name for process in without for name in functions(process))
        yield rule.finding(
            f"the parent's root logger has handlers ({parent}); {len(without)} of "
            f"{len(seen.workers)} workers have none, and their tasks log ({tasks})",
        )


def _check_settings(rule: Rule, seen: View) -> Iterator[Finding]:
    found: dict[tuple[str, str, str | None, str | None], list[Process]] = {}
    for process in seen.workers:
        libraries = _libraries(process)
        for row in differences(seen, process):
            keys = _SETTINGS.get(row["facet"])
            if keys and row["facet"] in libraries and row["key"].startswith(keys):
                key = (row["facet"], row["key"], row["parent"], row["worker"])
                found.setdefault(key, []).append(process)
    for (facet, name, parent, worker), processes in found.items():
        tasks = listed(task for process in processes for task in functions(process))
        yield rule.finding(
            f"{facet} {name} is {parent or 'at its default'} in the parent and "
            f"{worker or 'at its default'} in {len(processes)} of {len(seen.workers)} workers, "
            f"whose tasks use {facet} ({tasks})"
        )


def _check_globals(rule: Rule, seen: View) -> Iterator[Finding]:
    found: dict[str, tuple[str | None, str | None, list[str]]] = {}
    for process in seen.workers:
        for name, parent, worker in _globals(seen, process):
            if _matters(name, parent, worker):
                readers = [e["fn"] for e in process.reads if _reads(e, name)]
                if readers:
                    before = found.get(name, (None, None, []))[2]
                    found[name] = (parent, worker, before + readers)
    for name, (parent, worker, readers) in found.items():
        module, _, rest = name.partition(".")
        path = script(seen) if module == "__main__" else None
        here = "is not there" if worker is None else f"is {worker}"
        yield rule.finding(
            f"{name} is {parent} in the parent and {here} in a worker, and "
            f"{listed(readers)} reads it",
            path=path,
            line=where_set(path, rest),
        )


def _globals(seen: View, process: Process) -> Iterator[tuple[str, str | None, str | None]]:
    """Give the globals that differ from the parent's: name, the parent's value, the worker's.

    A module that a task brings in is imported after the birth: its globals are what they are then.
    """
    late = {
        key: after
        for task in process.tasks
        for facet, key, before, after in reversed(task.changes)
        if facet == "modules" and before is None
    }
    there = {*(seen.states.born(process) or {}).get("modules", {}), *late}
    modules = {name.rpartition(".")[0] for name in there}
    # cloudpickle sends a function of __main__ by value, with the globals it names.
    by_value = seen.origin(process).start_method == "loky"
    for row in differences(seen, process):
        name, parent, worker = row["key"], row["parent"], row["worker"] or late.get(row["key"])
        if row["facet"] != "modules" or (by_value and name.startswith("__main__.")):
            continue
        known = any(name.startswith(module + ".") for module in modules)
        if known and not alike(parent, worker):
            yield name, parent, worker


def _matters(key: str, parent: str | None, worker: str | None) -> bool:
    """Tell whether a difference is one of plain values, not of objects that are always new."""
    if parent is None or any(word in parent for word in _VAGUE):
        return worker is None and parent is not None
    if worker is None:
        return True
    if any(word in worker for word in _VAGUE):
        return False
    return parent.startswith(_PLAIN) or worker.startswith(_PLAIN)


def _reads(event: dict[str, list[str]], key: str) -> bool:
    if key in event["globals"]:
        return True
    # ``module.Class.ATTRIBUTE``: an instance or the class is asked for the attribute. That the
    # owner is a class, not a module, shows in how classes are named.
    owner, _, attribute = key.rpartition(".")
    cls = owner.rpartition(".")[2].lstrip("_")
    return "." in owner and cls[:1].isupper() and attribute in event["attributes"]


RULES = (
    Rule(
        "WS101",
        "root-handlers-missing",
        "The parent's root logger has handlers, the workers' has none, and their tasks log.",
        "Logging that is configured in the parent is not there in a worker that starts fresh "
        "(spawn, forkserver, loky): records below WARNING vanish, the others go to stderr bare.",
        "The root logger's handlers are compared when a worker takes its first task, after its "
        "initializer; the finding is made only if the code of its tasks can reach logging.",
        "Configure logging in each worker too: pass the function that does it as initializer= "
        "to the pool.",
        _check_handlers,
    ),
    Rule(
        "WS102",
        "setting-lost",
        "A library's setting has the parent's value in the parent only, and tasks use the library.",
        "Settings live in a process (often in a thread or context). A worker that starts fresh "
        "has the defaults, and computes with them without a word.",
        "Settings that change results are compared when a worker takes its first task; the "
        "finding is made only if the code of its tasks uses that library.",
        "Make the setting in each worker: in the pool's initializer=, or at the import of a "
        "module that the tasks need.",
        _check_settings,
    ),
    Rule(
        "WS103",
        "global-differs",
        "A task reads a global whose value in the worker is not the parent's.",
        "A worker that starts fresh has the values that modules have after import. What the "
        "parent set later, under the main guard or in main(), is not there; only fork copies it.",
        "The globals of the program's own modules are compared by content when a worker takes "
        "its first task, and the bytecode of the task and of what it calls is read for names.",
        "Pass the value as an argument of the task, or set it in the pool's initializer=.",
        _check_globals,
    ),
)
