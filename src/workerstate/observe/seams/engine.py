"""Our own executor: its workers' loop tells a watcher what it is about to do.

Workers that are forked for one task have their tasks told, not their state: reading it would take
longer than the fork.
"""

from __future__ import annotations

import os

from workerstate.observe import hook
from workerstate.observe.seams import tasks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any


def install(module: ModuleType) -> None:
    """Have the loops of this process, and of those forked from it, be watched."""
    module.watcher = Watcher()  # type: ignore[attr-defined]


def enter(process: Any) -> None:
    """Nothing more need be done in a worker that was started as a process of multiprocessing's."""


def _record_birth(number: int) -> None:
    hook.emit(
        "process",
        pid=os.getpid(),
        name=f"worker {number}",
        parent=os.getppid(),
        method="template",
        library="workerstate",
        loop="engine",
        target=None,
    )


class Watcher:
    """What the loop calls."""

    def __init__(self) -> None:
        self._single = False

    def forked(self, number: int, *, single: bool) -> None:
        """Take in that this process is now a worker of a template."""
        self._single = single
        hook.quietly(_record_birth, number)

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
