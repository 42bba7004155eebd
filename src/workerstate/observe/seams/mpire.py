"""mpire's WorkerPool: its workers are Process subclasses whose ``_run_func`` runs each task."""

from __future__ import annotations

from workerstate.fingerprint import fingerprint
from workerstate.observe import declare, hook
from workerstate.observe.seams import tasks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def enter(process: Any) -> None:
    """Look into the loop on this one worker; ``_run_func`` catches what a task raises."""
    run, get = process._run_func, process.worker_comms.get_task

    def _run_func(function: Any, job: Any, *args: Any, **kwargs: Any) -> Any:
        hook.quietly(_begin, function, job, args)
        outcome = run(function, job, *args, **kwargs)
        hook.quietly(tasks.end, bool(outcome[1]))
        return outcome

    def get_task(*args: Any, **kwargs: Any) -> Any:
        hook.quietly(tasks.between)
        return get(*args, **kwargs)

    process._run_func = _run_func
    process.worker_comms.get_task = get_task


def _begin(function: Any, job: Any, args: Any) -> None:
    inner = function
    for name in ("func", "function", "__wrapped__"):
        inner = getattr(inner, name, inner)
    # With ordered results mpire sends a partial whose first argument is the user's function.
    arguments = getattr(function, "args", None)
    if arguments and callable(arguments[0]):
        inner = arguments[0]
    # All items of a map have one number here: their random numbers go by what they are called with.
    part = fingerprint(args).digest if declare.seeding is not None else 0
    tasks.begin(inner, (), job, part)
