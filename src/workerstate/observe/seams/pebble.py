"""pebble's ProcessPool: its worker calls ``process_execute``, which catches what a task raises."""

from __future__ import annotations

import sys

from workerstate.observe import hook
from workerstate.observe.seams import tasks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def enter(process: Any) -> None:
    """Look into the loop through the functions it fetches and executes tasks with."""
    module: Any = sys.modules[process._target.__module__]
    execute, fetch = module.process_execute, module.fetch_task
    depth = [0]
    tasks.initialized = getattr(process._args[0], "initializer", None) is not None

    def process_execute(function: Any, *args: Any, **kwargs: Any) -> Any:
        # A chunk is executed by the same function as each of its items.
        depth[0] += 1
        try:
            if depth[0] == 1:
                hook.quietly(_begin, function, args)
            result = execute(function, *args, **kwargs)
            if depth[0] == 1:
                hook.quietly(_end, result)
            return result
        finally:
            depth[0] -= 1

    def fetch_task(channel: Any) -> Any:
        hook.quietly(tasks.settle)
        return fetch(channel)

    module.process_execute, module.fetch_task = process_execute, fetch_task


def _begin(function: Any, args: Any) -> None:
    tasks.begin(function, args, None)


def _end(result: Any) -> None:
    status = getattr(result, "status", None)
    tasks.end(getattr(status, "name", "SUCCESS") == "SUCCESS")
