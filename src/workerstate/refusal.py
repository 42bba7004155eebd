"""How a worker that could not start tells so to who waits for its tasks.

An initializer that raises makes ``multiprocessing.Pool`` start workers for ever, and makes
``ProcessPoolExecutor`` and loky say only that a process died. So the initializer of a spec returns
instead, and each task that the worker takes is answered with the error, without being run.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from workerstate.errors import WorkerStartError

# Modules whose loop takes tasks as tuples (Pool) or as objects with fn, args and kwargs.
_LOOPS = (
    "multiprocessing.pool",
    "concurrent.futures.process",
    "loky.process_executor",
    "joblib.externals.loky.process_executor",
    "pebble.pool.process",
)


def refuse_tasks(error: WorkerStartError) -> None:
    """Answer every task of this process's pool with ``error`` from here on; raise it elsewhere.

    Raises:
        WorkerStartError: this process isn't a worker of a pool that can be answered.
    """
    process: Any = sys.modules.get("multiprocessing.process")
    if process is None or not is_loop(process.current_process()):
        raise error
    # Their queues, joblib's too, read through this class, whatever the version.
    pickler: Any = sys.modules["multiprocessing.reduction"].ForkingPickler
    pickler.loads = staticmethod(_Refusal(error, pickler.loads))


def is_loop(process: Any) -> bool:
    """Tell whether a process runs the loop of a pool that can be answered."""
    return getattr(getattr(process, "_target", None), "__module__", None) in _LOOPS


class _Refusal:
    """Reads what a pool sends, and puts the error in the place of each task's function."""

    def __init__(self, error: WorkerStartError, loads: Any) -> None:
        self._error = error
        self._loads = loads

    def __call__(self, data: Any, *args: Any, **kwargs: Any) -> Any:
        item = self._loads(data, *args, **kwargs)
        if type(item) is tuple and len(item) == 5:
            return (*item[:2], self._answer, (), {})
        if type(item).__name__ == "_CallItem":
            item.fn, item.args, item.kwargs = self._answer, (), {}
        payload: Any = getattr(item, "payload", None)
        if type(payload).__name__ == "TaskPayload":  # pebble's, frozen
            item.payload = type(payload)(self._answer, (), {})
        return item

    def _answer(self) -> None:
        raise self._error.with_traceback(None)
