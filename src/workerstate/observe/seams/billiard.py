"""billiard's Pool (Celery's): its worker is an object that makes its own methods."""

from __future__ import annotations

from workerstate.observe import hook
from workerstate.observe.seams import items, tasks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def enter(process: Any) -> None:
    """Look into the loop through the method it waits for jobs with."""
    worker = process._target
    tasks.initialized = worker.initializer is not None
    real = worker._make_child_methods
    prepare = worker.prepare_result

    def _make_child_methods(*args: Any, **kwargs: Any) -> None:
        real(*args, **kwargs)
        wait = worker.wait_for_job

        def wait_for_job(*args: Any, **kwargs: Any) -> Any:
            hook.quietly(_between)
            request = wait(*args, **kwargs)
            begun = hook.quietly(_begin, request)
            return request if begun is None else begun

        worker.wait_for_job = wait_for_job

    def prepare_result(result: Any) -> Any:
        # Called with what the task returned: it has not failed.
        hook.quietly(tasks.end, True)
        return prepare(result)

    worker._make_child_methods = _make_child_methods
    worker.prepare_result = prepare_result


def _between() -> None:
    if tasks.running():
        tasks.end(False)  # no result was prepared
    tasks.between()


def _begin(request: Any) -> Any:
    if not request:
        return None
    job, part, function, args, kwargs = request[1]
    tasks.begin(function, args, job, part)
    return request[0], (job, part, function, items.seeded(function, args), kwargs), *request[2:]
