"""``multiprocessing.Pool``, and joblib's multiprocessing backend, which is built on it.

billiard's Pool and mpire's WorkerPool number their jobs alike; their loops have files of their own.
"""

from __future__ import annotations

import itertools
import sys

from workerstate.observe import hook, samples, submissions
from workerstate.observe.seams import calls, items, stamping, tasks
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


def _begin(task: Any) -> Any:
    if task is None:
        return None
    job, part, function, args, kwargs = task
    hook.quietly(samples.begin, function, args, kwargs)
    tasks.begin(function, args, job, part)
    return job, part, function, items.seeded(function, args), kwargs


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
                method = _method(above)
                hook.quietly(_stamp, mark(shared), job, frame, method)
                _tell(mark(shared), pool, method)
                return
        above = above.f_back


def _method(frame: Any) -> Any:
    """Give the frame of the pool's method that was given a function to call, if it is near."""
    for _ in range(4):  # from the result's constructor to the pool's method
        if frame is None or "func" in frame.f_locals:
            return frame
        frame = frame.f_back
    return None


def _stamp(number: int, job: int, frame: Any, method: Any) -> None:
    """Write what the job brings; its parts have as many items as the pool puts into a chunk."""
    found = method.f_locals if method is not None else {}
    part = found.get("chunksize") or 1
    stamping.submitted(number, job, frame, found.get("func"), found.get("args", ()), part)


def _tell(number: int, pool: Any, method: Any) -> None:
    """Tell an audit the function that the pool's method was given, and what of the items is known.

    Items that the program has not made yet are left alone.
    """
    if submissions.listener is None or method is None:
        return
    found = method.f_locals
    given: Any = found.get("iterable")
    if "args" in found:
        task = (found["func"], found["args"], found.get("kwds") or {})
    elif type(given) in (list, tuple, range) and len(given):
        star = getattr(found.get("mapper"), "__name__", "") == "starmapstar"
        task = (found["func"], tuple(given[0]) if star else (given[0],), {})
    else:
        task = (found["func"], None, {})
    submissions.listener.submitted(number, calls.last(number), task, pool, method)


def _describe(pool: Any) -> dict[str, Any]:
    library = type(pool).__module__.partition(".")[0]
    if library not in calls.LIBRARIES:  # a subclass of the program's
        library = "multiprocessing"
    size = pool.pool_params.n_jobs if library == "mpire" else pool._processes
    return {"library": library, "n_jobs": size}
