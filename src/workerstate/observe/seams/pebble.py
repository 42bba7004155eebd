"""pebble's ProcessPool: its worker calls ``process_execute``, which catches what a task raises."""

from __future__ import annotations

import sys

from workerstate.observe import hook
from workerstate.observe.seams import calls, items, stamping, tasks
from workerstate.observe.seams.marks import mark

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any


def install(module: ModuleType) -> None:
    """Watch what the parent schedules."""
    cls: Any = module.Task
    real = cls.__init__

    def made(self: Any, *args: Any, **kwargs: Any) -> None:
        real(self, *args, **kwargs)
        hook.quietly(_scheduled, self, sys._getframe(1))

    cls.__init__ = made


def _scheduled(task: Any, frame: Any) -> None:
    pool = frame.f_locals.get("self")
    shared = getattr(getattr(pool, "_context", None), "worker_parameters", None)
    if shared is not None:
        calls.submitted(mark(shared), task.id, frame, _describe, pool)
        called, args = task.payload.function, task.payload.args
        hook.quietly(stamping.submitted, mark(shared), task.id, frame, called, args)


def _describe(pool: Any) -> dict[str, Any]:
    return {"library": "pebble", "n_jobs": pool._context.workers}


def enter(process: Any) -> None:
    """Look into the loop through the functions it fetches and executes tasks with."""
    module: Any = sys.modules[process._target.__module__]
    execute, fetch = module.process_execute, module.fetch_task
    depth, number = [0], [None]
    tasks.initialized = getattr(process._args[0], "initializer", None) is not None

    def process_execute(function: Any, *args: Any, **kwargs: Any) -> Any:
        # A chunk is executed by the same function as each of its items.
        depth[0] += 1
        try:
            if depth[0] == 1:
                args = hook.quietly(_begin, function, args, number[0]) or args
            result = execute(function, *args, **kwargs)
            if depth[0] == 1:
                hook.quietly(_end, result)
            return result
        finally:
            depth[0] -= 1

    def fetch_task(channel: Any) -> Any:
        hook.quietly(tasks.between)
        task = fetch(channel)
        number[0] = getattr(task, "id", None)
        return task

    module.process_execute, module.fetch_task = process_execute, fetch_task


def _begin(function: Any, args: Any, number: Any) -> Any:
    tasks.begin(function, args, number)
    return items.seeded(function, args)


def _end(result: Any) -> None:
    status = getattr(result, "status", None)
    tasks.end(getattr(status, "name", "SUCCESS") == "SUCCESS")
