"""WS1xx: what workers began with is not what their tasks rely on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workerstate.observe.rules.rule import Rule, count, functions, listed, script, where_set
from workerstate.observe.view import differences
from workerstate.snapshot import alike, compare_texts

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
    "matplotlib": ("axes.", "figure.", "font.", "image.", "lines.", "savefig.", "text."),
}
# How the texts begin of values that can be compared.
_PLAIN = (
    *("bool", "int", "float", "str", "bytes", "list", "dict", "set", "tuple", "frozenset"),
    *("function", "method", "class ", "unittest.mock.", "True", "False", "None"),
    *("collections.", "argparse.", "configparser.", "pathlib.", "types.SimpleNamespace"),
)
# How they begin where values are shown.
_SHOWN = ("'", '"', "[", "(", "{", "-", *"0123456789", "b'", 'b"', "frozenset(", "set(")
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
            f"the parent's root logger has handlers ({parent}), and that of "
            f"{count(len(without), 'worker')} has none whose tasks log ({tasks})",
        )
    yield from _check_named_handlers(rule, seen)


def _check_named_handlers(rule: Rule, seen: View) -> Iterator[Finding]:
    """Find loggers that have handlers in the parent only, if tasks log to them or below them."""
    found: dict[tuple[str, str], list[Process]] = {}
    for process in seen.workers:
        used = {name for event in process.reads for name in event.get("loggers", ())}
        for row in differences(seen, process):
            name, _, attribute = row["key"].rpartition(".")
            if row["facet"] != "logging" or attribute != "handlers" or name == "root":
                continue
            lost = row["parent"] not in (None, "NullHandler") and not row["worker"]
            if lost and any(f"{each}.".startswith(f"{name}.") for each in used):
                found.setdefault((name, row["parent"]), []).append(process)
    for (name, parent), processes in found.items():
        tasks = listed(task for process in processes for task in functions(process))
        yield rule.finding(
            f"the parent's logger {name} has handlers ({parent}), and that of "
            f"{count(len(processes), 'worker')} has none whose tasks log to it ({tasks})",
        )


def _check_doubled(rule: Rule, seen: View) -> Iterator[Finding]:
    """Find a handler of the parent that workers have twice."""
    found: dict[tuple[str, str], list[Process]] = {}
    for process in seen.workers:
        if "logging" not in _libraries(process):
            continue
        for row in differences(seen, process):
            if row["facet"] != "logging" or not row["key"].endswith(".handlers"):
                continue
            here = (row["parent"] or "").split(", ")
            there = (row["worker"] or "").split(", ")
            for each in dict.fromkeys(here):
                if " to " in each and there.count(each) > here.count(each):
                    found.setdefault((row["key"].removesuffix(".handlers"), each), []).append(
                        process
                    )
    for (name, handler), processes in found.items():
        tasks = listed(task for process in processes for task in functions(process))
        yield rule.finding(
            f"the logger {name} of {len(processes)} of {len(seen.workers)} workers has the "
            f"parent's handler ({handler}) and another one like it: what their tasks log ({tasks}) "
            "is written twice"
        )


def _check_settings(rule: Rule, seen: View) -> Iterator[Finding]:
    found: dict[tuple[str, str, str | None, str | None], list[Process]] = {}
    for process in seen.workers:
        libraries = _libraries(process)
        for row in [*differences(seen, process), *_late(seen, process)]:
            keys = _SETTINGS.get(row["facet"])
            if keys and row["facet"] in libraries and row["key"].startswith(keys):
                key = (row["facet"], row["key"], row["parent"], row["worker"])
                if process not in found.setdefault(key, []):
                    found[key].append(process)
    for (facet, name, parent, worker), processes in found.items():
        tasks = listed(task for process in processes for task in functions(process))
        yield rule.finding(
            f"{facet} {name} is {parent or 'at its default'} in the parent and "
            f"{worker or 'at its default'} in {len(processes)} of {len(seen.workers)} workers, "
            f"whose tasks use {facet} ({tasks})"
        )
    yield from _check_filters(rule, seen)


def _late(seen: View, process: Process) -> Iterator[dict[str, Any]]:
    """Compare the settings of libraries that a task imported to the parent's, like differences."""
    origin = seen.origin(process)
    parent = seen.states.at_launch(process, origin.launch, origin.parent) or {}
    for event in process.others:
        if event["ev"] == "late":
            for d in compare_texts(parent, event["facets"]):
                yield {"facet": d.facet, "key": d.key, "parent": d.before, "worker": d.after}


def _check_filters(rule: Rule, seen: View) -> Iterator[Finding]:
    """Find warnings that are errors in the parent and not in workers whose tasks warn."""
    found: dict[str, list[Process]] = {}
    for process in seen.workers:
        warn = any(
            "warnings" in e["libraries"] and "warn" in e["attributes"] for e in process.reads
        )
        for row in differences(seen, process) if warn else ():
            if row["facet"] == "warnings" and row["key"] == "filters":
                for each in _errors(row["parent"]) - _errors(row["worker"]):
                    found.setdefault(each, []).append(process)
    for category, processes in found.items():
        tasks = listed(task for process in processes for task in functions(process))
        yield rule.finding(
            f"a warning of {category} is an error in the parent and is not in {len(processes)} of "
            f"{len(seen.workers)} workers, whose tasks warn ({tasks})"
        )


def _errors(filters: str | None) -> set[str]:
    words = (filters or "").partition(": ")[2].rpartition(" #")[0].split(", ")
    return {word.removeprefix("error ") for word in words if word.startswith("error ")}


def _check_globals(rule: Rule, seen: View) -> Iterator[Finding]:
    found: dict[str, tuple[str | None, str | None, list[str]]] = {}
    for process in seen.workers:
        own = tuple(f"{module}." for module in _modules(seen, process))
        for name, parent, worker in [*_globals(seen, process), *_variables(seen, process)]:
            if _matters(parent, worker, own):
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

    A module that a task brings in is imported after the birth: its globals are what they are after
    that task, so those that tasks change say nothing.
    """
    written = {
        key
        for worker in seen.workers
        for task in worker.tasks
        for facet, key, before, _ in task.changes
        if facet == "modules" and before is not None
    }
    late = {
        key: after
        for task in process.tasks
        for facet, key, before, after in reversed(task.changes)
        if facet == "modules" and before is None and key not in written
    }
    modules = _modules(seen, process) | {name.rpartition(".")[0] for name in late}
    # cloudpickle sends a function of __main__ by value, with the globals it names.
    by_value = seen.origin(process).start_method == "loky"
    for row in differences(seen, process):
        name, parent, worker = row["key"], row["parent"], row["worker"] or late.get(row["key"])
        if row["facet"] != "modules" or (by_value and name.startswith("__main__.")):
            continue
        known = any(name.startswith(module + ".") for module in modules) and (
            row["worker"] is not None or name in late or name not in written
        )
        if known and not alike(parent, worker):
            yield name, parent, worker


def _modules(seen: View, process: Process) -> set[str]:
    """Give the modules of the program that a worker began with, and the classes in them."""
    return {
        name.rpartition(".")[0] for name in (seen.states.born(process) or {}).get("modules", {})
    } - {""}


def _variables(seen: View, process: Process) -> Iterator[tuple[str, str | None, str | None]]:
    """Give the context variables that differ, unless a task sets them itself."""
    sets = any("set" in event["attributes"] for event in process.reads)
    for row in differences(seen, process) if not sets else ():
        if row["facet"] == "contextvars":
            yield row["key"].replace(":", "."), row["parent"], row["worker"]


def _matters(parent: str | None, worker: str | None, own: tuple[str, ...]) -> bool:
    """Tell whether a difference is one of values, not of objects that are always new.

    Compared are plain values and the instances of the program's ``own`` classes.
    """
    if parent is None or _is_vague(parent):
        return worker is None and parent is not None
    if worker is None:
        return True
    if _is_vague(worker):
        return False
    return parent.startswith((*_PLAIN, *_SHOWN, *own)) or worker.startswith((*_PLAIN, *_SHOWN))


def _is_vague(text: str) -> bool:
    return not text.startswith(_SHOWN) and any(word in text for word in _VAGUE)


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
    Rule(
        "WS104",
        "handlers-doubled",
        "Workers have a log handler twice that the parent has once.",
        "A forked worker has the parent's handlers. An initializer that configures logging again, "
        "as a fresh worker needs it, then adds the same ones once more.",
        "The handlers of each logger, with the files and streams they write to, are compared when "
        "a worker takes its first task.",
        "Configure with logging.basicConfig (which does nothing the second time) or dictConfig "
        "(which replaces), or take the handlers off first.",
        _check_doubled,
    ),
)
