"""Our own executor: a watcher is told of workers that a template forks, and of their tasks.

Workers that are forked for one task have their tasks told, not their state: reading it would take
longer than the fork.
"""

from __future__ import annotations

import os

from workerstate.observe import hook, state
from workerstate.observe.seams import tasks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any


def install(module: ModuleType) -> None:
    """Have what this process does, and those forked from it, be watched."""
    module.watcher = Watcher()  # type: ignore[attr-defined]


def enter(process: Any) -> None:
    """Nothing more need be done in a worker that was started as a process of multiprocessing's."""


def _record_order(number: int) -> None:
    snapshot = state.record_parent()
    name = _name(number)
    hook.emit("launch", name=name, method="template", library="workerstate", snapshot=snapshot)


def _name(number: int) -> str:
    return f"worker {number}"


def _record_birth(number: int, parent: int) -> None:
    hook.emit(
        "process",
        pid=os.getpid(),
        name=_name(number),
        parent=parent,
        method="template",
        library="workerstate",
        loop="engine",
        target=None,
    )


class Watcher:
    """What the parent and the loop call."""

    def __init__(self) -> None:
        self._single = False

    def orders(self, number: int) -> None:
        """Take in that this process has a template fork a worker for many tasks."""
        hook.quietly(_record_order, number)

    def forked(self, number: int, parent: int, *, single: bool) -> None:
        """Take in that this process is now a worker of a template, for that parent."""
        self._single = single
        hook.quietly(_record_birth, number, parent)

    def asks(self) -> None:
        """Take in that the worker asks for tasks."""
        if not self._single:
            hook.quietly(tasks.between)

    def begins(self, number: int, called: Any, args: Any) -> None:
        """Take in that a task begins."""
        hook.quietly(tasks.begin, called, args, number)

    def ended(self, *, ok: bool) -> None:
        """Take in that it is over, before its result is sent."""
        hook.quietly(tasks.end, ok)
