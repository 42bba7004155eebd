"""In the program's own processes: what each submitted task can read, and what that is now.

Each distinct task makes one request in the recording's folder, from which the audit starts a
reference worker. It is looked at again with each later call, since the parent's state may change.
"""

from __future__ import annotations

import os
import sys
import time

from workerstate.audit import brought, copied, late, made, patched, sent, shapes, sharing
from workerstate.audit.lines import Lines
from workerstate.audit.pending import pending
from workerstate.audit.reach import Reach
from workerstate.audit.said import digest, methods, origins, said, touched, values_of
from workerstate.audit.surroundings import surroundings
from workerstate.audit.units import (
    first_of_process,
    identity,
    initializer_of,
    is_batch,
    method_of,
    modules_by_value,
    modules_of,
    seeds_itself,
    sort_of,
    units_of,
)
from workerstate.observe import hook, state
from workerstate.observe.seams import calls, launches, names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import FrameType
    from typing import Any

    from workerstate.audit.units import Unit

MOST_TASKS = 40
MOST_SECONDS = 8.0  # spent in the program's processes, each
SHARE = 20  # one part in so many of the program's time may go into looking again
CHEAP = 0.3  # seconds of looking with each submit from the same line; then, now and again
MOST_NEWS = 4  # of one name that changes between submits from the same line


class Task:
    """One distinct task, and what was last said of it."""

    def __init__(self, reach: Reach, first: Reach, label: str) -> None:
        self.reach = reach
        self.first = first
        self.label = label
        self.call = -1
        self.digests: dict[str, Any] = {}
        self.facets: dict[str, dict[str, str]] = {}
        self.due = 0.0  # when to look again between submits from the same line
        self.looked = 0.0
        self._told: dict[str, int] = {}

    def is_news(self, keys: Iterable[str]) -> bool:
        """Tell whether one of these has not been told often already."""
        new = False
        for key in keys:
            self._told[key] = self._told.get(key, 0) + 1
            new = new or self._told[key] <= MOST_NEWS
        return new

    def values(self) -> dict[str, Any]:
        """Give what the task and what runs before it would read now."""
        return {**values_of(self.first), **values_of(self.reach)}


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
        self._launches = late.Launches()
        self._owner: Any = None
        self._at_start: dict[str, dict[str, str]] | None = None
        self._full = False
        self._has_forked = False
        self._lines = Lines()
        self.began, self.ended = self._lines.begin, self._lines.end
        sharing.watch_threads()

    # --- what the seams tell

    def launching(self, process: Any, method: str, frame: FrameType) -> None:
        """A process is about to be started: for a pool, or as a task of its own."""
        self._forked()
        self._launched = sharing.before_fork()
        if method == "fork":
            self._launched.pending = pending()
            self._has_forked = True
        if self._at_start is None:
            self._at_start = state.read(("environ", "cwd", "locale", "limits", "signals"))
        target = getattr(process, "_target", None)
        home = getattr(target, "__module__", None)
        if home in launches.POOLS or getattr(process, "worker_comms", None) is not None:
            arguments = getattr(process, "_args", ())
            self._launches.launching(arguments, forked=method == "fork")
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
        self._forked()
        called, args, named = task
        key = (type(called), sort_of(called), pool, call)
        known = self._seen.get(key)
        if known is not None and known.call == call and not is_batch(called):
            if calls.is_single(pool):
                self._owner = owner
                self._between(known)
            return
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
        key = (identity(unit), identity((first[0], first[1], {})))
        task = self._tasks.get(key)
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
        if first[0] is not None:
            before.task(first[0], first[1], {})
            reach.after(before)
        reach.task(*unit)
        patched.note(reach)
        task = self._tasks[key] = Task(reach, before, names.name(names.unwrap(unit[0])))
        self._request(task, (unit, (*first, {})), frame, by, method)
        return task

    def _between(self, task: Task) -> None:
        """Look again at a task that is submitted once more from the same line."""
        start = time.monotonic()
        if start < task.due:
            return
        try:
            self._again(task, often=True)
        finally:
            end = time.monotonic()
            self._spent += end - start
            task.looked += end - start
            task.due = end + SHARE * (end - start) if task.looked > CHEAP else 0.0

    def _again(self, task: Task, *, often: bool = False) -> None:
        """Say what the names are now, if they are not what they were."""
        allowed = 1.0 + (time.monotonic() - self._began) / SHARE
        if not task.digests or self._spent > allowed:
            return
        now = task.values()
        changed = {
            key: shape for key, shape in now.items() if digest(shape) != task.digests.get(key)
        }
        facets = touched(task.reach)
        if changed or facets != task.facets:
            moved = [name for name in facets if facets[name] != task.facets.get(name)]
            task.digests.update({key: digest(shape) for key, shape in changed.items()})
            task.facets = facets
            if often and not task.is_news((*changed, *moved)):
                return
            rows = self._launches.since(self._owner, task.reach)
            again = {"task": task.label, "again": changed, "facets": facets, "late": rows}
            self._write(again)

    def _request(
        self, task: Task, units: tuple[Unit, Unit], frame: Any, by: str, method: str
    ) -> None:
        reach, first = task.reach, task.first
        unit = units[0]
        values = task.values()
        task.digests = {key: digest(shape) for key, shape in values.items()}
        task.facets = touched(reach)
        self._write(
            {
                "task": task.label,
                "by": by,
                "had": [name for name in reach.imports if name in sys.modules],
                "method": method,
                "sharing_at_import": sharing.made_at_import(reach),
                "modules": list(dict.fromkeys(name for each in units for name in modules_of(each))),
                "modules_by_value": modules_by_value(unit, reach),
                "reads": said(reach),
                "first": said(first),
                "values": values,
                "homes": {key: shapes.module_of(key) for key in _roots(values)},
                "facets": task.facets,
                "at_start": self._at_start,
                "makers": {**made.makers(first), **made.makers(reach)},
                "origins": {**origins(first), **origins(reach), **patched.aliases(reach)},
                "behind": {**brought.modules_behind(first), **brought.modules_behind(reach)},
                "methods": {**methods(first), **methods(reach)},
                "sharing": self._sharing(task, unit, by),
                "late": self._launches.since(self._owner, reach) if by == "pool" else [],
                "arguments": brought.arguments(unit, reach),
                "sent": sent.classes_of(units if units[1][0] is not None else units[:1]),
                "fixed": [*brought.fixed(first), *brought.fixed(reach)],
                **surroundings(frame),
            }
        )

    def _sharing(self, task: Task, unit: Unit, by: str) -> list[dict[str, Any]]:
        rows = sharing.found(task.reach, self._launched, seeded=seeds_itself(unit[0]))
        kind = type(self._owner).__module__
        pool = by != "pool" or kind.startswith(("multiprocessing", "billiard"))
        forked = self._has_forked and by == "pool"
        return [*rows, *copied.rows(task.reach, task.first, pool=pool, forked=forked)]

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
