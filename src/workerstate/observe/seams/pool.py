"""``multiprocessing.Pool``, and joblib's multiprocessing backend, which is built on it.

billiard's Pool and mpire's WorkerPool number their jobs alike; their loops have files of their own.
"""

from __future__ import annotations

import itertools
import sys

from workerstate.observe import hook, samples, submissions
from workerstate.observe.seams import calls, tasks
from workerstate.observe.seams.marks import mark
from workerstate.observe.seams.queues import sequence, weigh

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any


def install(module: ModuleType) -> None:
    """Watch the numbers that the parent gives to its jobs."""

    def numbered(job: int) -> int:
        hook.quietly(_submitted, job, sys._getframe(1))
        return job

    module.job_counter = map(numbered, itertools.count(next(module.job_counter)))  # type: ignore[attr-defined]


def enter(process: Any) -> None:
    """Look into the worker's loop through its two queues."""
    inqueue, outqueue, initializer = process._args[:3]
    tasks.initialized = initializer is not None
    hook.quietly(samples.start, initializer, process._args[3])
    reader = getattr(inqueue, "_reader", None)
    tasks.weight = weigh(reader, "recv_bytes")
    process._args = (_Inbox(inqueue), _Outbox(outqueue), *process._args[2:])


class _Inbox:
    """The queue of tasks: the loop looks its ``get`` up once."""

    def __init__(self, queue: Any) -> None:
        self._queue = queue

    @property
    def get(self) -> Any:
        return sequence(tasks.between, self._queue.get, _begin)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queue, name)


class _Outbox:
    """The queue of results; its errors are turned into text by the loop, without a traceback."""

    def __init__(self, queue: Any) -> None:
        self._queue = queue

    def put(self, item: Any) -> None:
        hook.quietly(_end, item)
        self._queue.put(item)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queue, name)


def _begin(task: Any) -> None:
    if task is None:
        return
    job, part, function, args, kwargs = task
    hook.quietly(samples.begin, function, args, kwargs)
    tasks.begin(function, args, job, part)


def _end(item: Any) -> None:
    succeeded, result = item[2]
    # joblib brings a task's exception home as a result.
    failed = not succeeded or type(result).__name__ == "_ExceptionWithTraceback"
    hook.quietly(samples.end, result, result if failed else None)
    tasks.end(not failed)


def _submitted(job: int, frame: Any) -> None:
    pool, above = None, frame
    for _ in range(4):  # from the result's constructor to the pool's method
        for name in ("pool", "self"):
            pool = above.f_locals.get(name)
            shared = getattr(pool, "_inqueue", None) or getattr(pool, "_worker_comms", None)
            if shared is not None:
                calls.submitted(mark(shared), job, frame, _describe, pool)
                _tell(mark(shared), pool, above)
                return
        above = above.f_back


def _tell(number: int, pool: Any, frame: Any) -> None:
    """Tell an audit the function that the pool's method was given, and what of the items is known.

    Items that the program has not made yet are left alone.
    """
    if submissions.listener is None:
        return
    for _ in range(4):  # from the result's constructor to the pool's method
        if frame is None or "func" in frame.f_locals:
            break
        frame = frame.f_back
    else:
        return
    found = frame.f_locals if frame is not None else {}
    if "func" not in found:
        return
    items: Any = found.get("iterable")
    if "args" in found:
        task = (found["func"], found["args"], found.get("kwds") or {})
    elif type(items) in (list, tuple, range) and len(items):
        star = getattr(found.get("mapper"), "__name__", "") == "starmapstar"
        task = (found["func"], tuple(items[0]) if star else (items[0],), {})
    else:
        task = (found["func"], None, {})
    submissions.listener.submitted(number, calls.last(number), task, pool, frame)


def _describe(pool: Any) -> dict[str, Any]:
    library = type(pool).__module__.partition(".")[0]
    if library not in calls.LIBRARIES:  # a subclass of the program's
        library = "multiprocessing"
    size = pool.pool_params.n_jobs if library == "mpire" else pool._processes
    return {"library": library, "n_jobs": size}
