"""In the program's own processes: what each submitted task can read, and what that is now.

Each distinct task makes one request in the recording's folder, from which the audit starts a
reference worker. It is looked at again with each later call, since the parent's state may change.
"""

from __future__ import annotations

import os
import sys
import time

from workerstate.audit import brought, exceptions, late, shapes, sharing
from workerstate.audit.known import MethodType
from workerstate.audit.reach import Reach
from workerstate.audit.units import (
    first_of_process,
    initializer_of,
    method_of,
    seeds_itself,
    units_of,
)
from workerstate.fingerprint.classes import FunctionType, qualified
from workerstate.observe import hook, state
from workerstate.observe.seams import launches, names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

    from workerstate.audit.shapes import Shape
    from workerstate.audit.units import Unit

MOST_TASKS = 40
MOST_SECONDS = 8.0  # spent in the program's processes, each
_ALWAYS = ("environ", "logging", "warnings", "limits", "locale", "flags")
SHARE = 20  # one part in so many of the program's time may go into looking again


class Task:
    """One distinct task, and what was last said of it."""

    def __init__(self, reach: Reach, first: Reach, label: str) -> None:
        self.reach = reach
        self.first = first
        self.label = label
        self.call = -1
        self.digests: dict[str, Any] = {}
        self.facets: dict[str, dict[str, str]] = {}


class Inside:
    """Listens to what this process submits and launches."""

    def __init__(self) -> None:
        self._tasks: dict[object, Task] = {}
        self._seen: dict[object, Task] = {}
        self._spent = 0.0
        self._began = time.monotonic()
        self._number = 0
        self._pid = os.getpid()
        self._launched: sharing.Before | None = None
        self._forks = late.Forks()
        self._owner: Any = None
        self._at_start: dict[str, dict[str, str]] | None = None
        self._full = False
        sharing.watch_threads()

    # --- what the seams tell

    def launching(self, process: Any, method: str, frame: FrameType) -> None:
        """A process is about to be started: for a pool, or as a task of its own."""
        self._forked()
        self._launched = sharing.before_fork()
        if self._at_start is None:
            self._at_start = state.read(("environ", "cwd", "locale", "limits", "signals"))
        target = getattr(process, "_target", None)
        home = getattr(target, "__module__", None)
        if home in launches.POOLS or getattr(process, "worker_comms", None) is not None:
            if method == "fork":
                self._forks.forking(getattr(process, "_args", ()))
            return
        if type(target).__module__ == "billiard.pool" or home == "multiprocessing.managers":
            return
        args = tuple(getattr(process, "_args", ()))
        named = dict(getattr(process, "_kwargs", {}))
        first = first_of_process(target, args) if target is not None else (None, ())
        called = process.run if target is None else target
        self._look([(called, args, named)], first, 0, frame, method, method)

    def submitted(self, pool: int, call: int, task: Any, owner: Any, frame: Any) -> None:
        """A task is submitted to a pool."""
        called, args, named = task
        key = (type(called), id(_code(called)), pool, call)
        known = self._seen.get(key)
        if known is not None and known.call == call and not _is_batch(called):
            return
        self._forked()
        self._launched = self._launched or sharing.before_fork()
        self._owner = owner
        self._look(
            units_of(called, args, named),
            initializer_of(owner),
            call,
            frame,
            "pool",
            method_of(owner),
            key,
        )

    def _forked(self) -> None:
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._tasks.clear()
            self._seen.clear()
            self._spent, self._number = 0.0, 0

    def _look(
        self, units: list[Unit], first: tuple[Any, Any], call: int, frame: Any, by: str,
        method: str, key: object = None,
    ) -> None:  # fmt: skip
        start = time.monotonic()
        try:
            for unit in units:
                task = self._task(unit, first, frame, by, method)
                if task is None:
                    continue
                if key is not None:
                    self._seen[key] = task
                if task.call != call or key is None:
                    task.call = call
                    self._again(task)
        finally:
            self._spent += time.monotonic() - start

    def _task(
        self, unit: Unit, first: tuple[Any, Any], frame: Any, by: str, method: str
    ) -> Task | None:
        identity = (_identity(unit), _identity((first[0], first[1], {})))
        task = self._tasks.get(identity)
        if task is not None:
            return task
        if len(self._tasks) >= MOST_TASKS or self._spent > MOST_SECONDS:
            if not self._full:
                self._full = True
                hook.emit(
                    "audit-note", text=f"only the first {len(self._tasks)} tasks were followed"
                )
            return None
        reach, before = Reach(), Reach()
        reach.task(*unit)
        if first[0] is not None:
            before.task(first[0], first[1], {})
        task = self._tasks[identity] = Task(reach, before, names.name(names.unwrap(unit[0])))
        self._request(task, unit, frame, by, method)
        return task

    def _again(self, task: Task) -> None:
        """Say what the names are now, if they are not what they were."""
        allowed = 1.0 + (time.monotonic() - self._began) / SHARE
        if not task.digests or self._spent > allowed:
            return
        now = values_of(task.reach)
        changed = {
            key: shape for key, shape in now.items() if _digest(shape) != task.digests.get(key)
        }
        facets = _touched(task.reach)
        if changed or facets != task.facets:
            task.digests.update({key: _digest(shape) for key, shape in changed.items()})
            task.facets = facets
            rows = self._forks.since(self._owner, task.reach)
            again = {"task": task.label, "again": changed, "facets": facets, "late": rows}
            self._write(again)

    def _request(self, task: Task, unit: Unit, frame: Any, by: str, method: str) -> None:
        reach, first = task.reach, task.first
        values = values_of(reach)
        task.digests = {key: _digest(shape) for key, shape in values.items()}
        task.facets = _touched(reach)
        self._write(
            {
                "task": task.label,
                "by": by,
                "had": [name for name in reach.imports if name in sys.modules],
                "method": method,
                "sharing_at_import": sharing.made_at_import(reach),
                "modules": _modules(unit),
                "modules_by_value": _modules_by_value(unit, reach),
                "reads": said(reach),
                "first": said(first),
                "values": values,
                "homes": {key: shapes.module_of(key) for key in _roots(values)},
                "facets": task.facets,
                "at_start": self._at_start,
                "origins": _origins(reach),
                "sharing": sharing.found(reach, self._launched, seeded=seeds_itself(unit[0])),
                "late": self._forks.since(self._owner, reach) if by == "pool" else [],
                "arguments": brought.arguments(unit, reach),
                "module_files": _files(),
                "environ": dict(os.environ),
                "cwd": _cwd(),
                "path": list(sys.path),
                "argv": list(sys.argv),
                "flags": _flags(),
                "main": _main(),
                "stack": _stack(frame),
            }
        )

    def _write(self, request: dict[str, Any]) -> None:
        """Put a request where the audit finds it; whole, or not at all."""
        self._number += 1
        path = f"{hook.folder}/audit-{os.getpid()}-{self._number:04d}"
        data = hook.encode(request).encode()
        number = os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            while data:
                data = data[os.write(number, data) :]
        finally:
            os.close(number)
        os.rename(path + ".new", path + ".request")


def _roots(values: dict[str, Any]) -> set[str]:
    return {key.partition("\t")[0] for key in values}


def _touched(reach: Reach) -> dict[str, dict[str, str]]:
    """Give the settings that the task's code may touch, as texts."""
    wanted = {*_ALWAYS, *reach.used}
    return {name: row for name, row in state.read().items() if name in wanted}


def said(reach: Reach) -> dict[str, Any]:
    """Give what a walk found, as plain data."""
    return {
        "names": _table(reach.names),
        "library": _table(reach.library),
        "stores": {root: str(at) for root, at in reach.stores.items()},
        "calls": {name: str(at) for name, at in reach.calls.items()},
        "used": {name: str(at) if at else "" for name, at in reach.used.items()},
        "loggers": sorted(reach.loggers),
        "variables": {name: str(at) for name, at in reach.variables.items()},
        "set_variables": sorted(reach.set_variables),
        "identity": {root: str(at) for root, at in reach.identity.items()},
        "imports": list(reach.imports),
        "attributes": {name: str(at) for name, at in list(reach.attributes.items())[:3000]},
        "loose_stores": sorted(reach.loose_stores),
        "formats": {name: str(at) for name, at in reach.formats.items()},
        "hashes": str(reach.hashes) if reach.hashes else None,
        "recursive": str(reach.recursive) if reach.recursive else None,
        "followed": [[file, line, name] for (file, line), name in reach.followed.items()],
        "exceptions": exceptions.lost(reach),
        "notes": list(reach.notes),
    }


def _table(names: dict[str, Any]) -> dict[str, list[list[Any]]]:
    return {
        root: [[list(chain), str(at)] for chain, at in chains.items()]
        for root, chains in names.items()
    }


def values_of(reach: Reach) -> dict[str, Shape | None]:
    """Give the shape of each thing that is read, by root and chain."""
    found = {}
    for table in (reach.names, reach.library):
        for root, chains in table.items():
            for chain in chains:
                found["\t".join((root, *chain))] = shapes.shape_at(root, chain)
    for root in reach.names:
        owner = root.rpartition(".")[0]
        if owner != shapes.module_of(root):
            found.setdefault(owner, shapes.shape_at(owner, ()))
    return found


def _digest(shape: Shape | None) -> object:
    return None if shape is None else (shape["type"], shape["digest"])


def _identity(unit: Unit) -> object:
    """Tell distinct tasks apart: the function, and what kind of things it gets."""
    function, args, named = unit
    code = _code(function)
    kinds = tuple(_kind(value) for value in (*args[:8], *list(named.values())[:8]))
    return (id(code) if code is not None else names.name(function), kinds)


def _kind(value: Any) -> object:
    code = _code(value)
    return id(code) if code is not None else id(type(value))


def _code(value: Any) -> Any:
    """Give the code of a function or method, without asking an object of the program's."""
    if type(value) is MethodType:
        value = value.__func__
    return value.__code__ if type(value) is FunctionType else None


def _modules(unit: Unit) -> list[str]:
    """Give the modules that a worker imports to read the task."""
    found: list[str] = []
    function, args, named = unit
    for value in (function, brought.owner_of(function), *args, *named.values()):
        own = value.__module__ if type(value) in (FunctionType, MethodType, type) else None
        for module in (own, qualified(type(value))[0]):
            if type(module) is str and module not in found and module != "builtins":
                found.append(module)
    return found


def _modules_by_value(unit: Unit, reach: Reach) -> list[str]:
    """Give the modules that a worker imports for the code of a function of the main module.

    loky sends such a function with what it names; what is of another module goes by name.
    """
    if "__main__" not in _modules(unit):
        return []
    found = {shapes.module_of(root) for table in (reach.names, reach.library) for root in table}
    found.update(name for name in reach.used if name in sys.modules)
    return sorted(name for name in found if name not in (None, "__main__", "builtins"))


def _origins(reach: Reach) -> dict[str, list[str]]:
    """Give the other names of the program that lead to the same object."""
    from workerstate.fingerprint.walk import is_scalar
    from workerstate.program import user_modules

    by_id: dict[int, list[str]] = {}
    for module, namespace in user_modules().items():
        for name, value in list(namespace.items()):
            if type(name) is str and not name.startswith("__") and not is_scalar(value):
                by_id.setdefault(id(value), []).append(f"{module}.{name}")
    found = {}
    for root in reach.names:
        value = shapes.resolve(root, ())
        others = by_id.get(id(value), [])
        if len(others) > 1 and root in others:
            found[root] = others
    return found


def _files() -> dict[str, str]:
    from workerstate.program import user_modules

    found = {}
    for module, namespace in user_modules().items():
        file = namespace.get("__file__")
        if type(file) is str:
            found[module] = os.path.abspath(file)
    return found


def _is_batch(called: Any) -> bool:
    """Tell whether it is one of joblib's batches, which may hold any functions."""
    return type(called).__name__ not in ("function", "method", "partial")


def _cwd() -> str | None:
    try:
        return os.getcwd()
    except OSError:
        return None


def _flags() -> list[str]:
    subprocess: Any = sys.modules.get("subprocess")
    if subprocess is None:
        return []
    flags: list[str] = subprocess._args_from_interpreter_flags()
    return flags


def _main() -> dict[str, Any]:
    """Say where the main module is, as multiprocessing tells a worker."""
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    file = getattr(main, "__file__", None)
    name = getattr(spec, "name", None)
    if name is None and isinstance(file, str):
        process: Any = sys.modules.get("multiprocessing.process")
        folder = getattr(process, "ORIGINAL_DIR", None)
        if not os.path.isabs(file) and folder is not None:
            file = os.path.join(folder, file)
        return {"path": os.path.normpath(file), "name": None}
    return {"path": file if isinstance(file, str) else None, "name": name}


def _stack(frame: Any) -> dict[str, Any]:
    """Say from which line of the main module's own code the task was submitted, if it was."""
    found: dict[str, Any] = {"line": None, "path": None}
    for _ in range(200):
        if frame is None:
            break
        own = frame.f_code.co_name == "<module>"
        if own and frame.f_globals.get("__name__") == "__main__":
            found = {"line": frame.f_lineno, "path": frame.f_code.co_filename}
        frame = frame.f_back
    return found
