"""How a worker ends after its task, for each pool that replaces one that does.

``multiprocessing.Pool`` replaces a worker that leaves its loop; loky one that tells so, as it does
after a timeout; ``ProcessPoolExecutor`` (from Python 3.11 on) one whose last result says so, as
with ``max_tasks_per_child``, which in several releases can forget to start the successor, so that
only our own Executor, which sees to that, has its workers end. The template engine's loop asks
``pending()`` after each task. Other pools break when a worker ends.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_pending = [0]  # the process that is to end after its task
_asked = [0]  # the process whose loop asks


def pending() -> bool:
    """Tell whether this worker is to end now that its task is over."""
    return _pending[0] == os.getpid()


def will_ask() -> None:
    """Say that this process's loop asks ``pending()`` after each task, and ends if told so."""
    _asked[0] = os.getpid()


def retire(*, own: bool) -> str:
    """Have this worker end after its task; give the reason where that can't be, else nothing.

    Args:
        own: whether the pool is our own Executor's.
    """
    if pending():
        return ""
    reason = "" if _asked[0] == os.getpid() else _leave_loop(own)
    if not reason:
        _pending[0] = os.getpid()
    return reason


def _leave_loop(own: bool) -> str:
    process: Any = sys.modules.get("multiprocessing.process")
    current: Any = process.current_process() if process is not None else None
    module = getattr(getattr(current, "_target", None), "__module__", "") or ""
    if module == "multiprocessing.pool":
        # The loop takes a pipe that is closed for its end, and the task's result still goes out.
        current._args[0]._reader.close()
        return ""
    if module.endswith("loky.process_executor"):
        current._args[0].get = lambda *args, **kwargs: None
        return ""
    if module == "concurrent.futures.process":
        if not own:
            return "a ProcessPoolExecutor may forget to replace it"
        if sys.version_info < (3, 11):
            return "a ProcessPoolExecutor of Python 3.10 can't replace it"
        return _leave_executor(current._args[0])
    return f"{module or 'what runs it'} can't replace it"


def _leave_executor(queue: Any) -> str:
    """Mark the next result as this worker's last, and end when another task is asked for."""
    module: Any = sys.modules["concurrent.futures.process"]
    item = module._ResultItem
    real = item.__init__

    def make(self: Any, *args: Any, **kwargs: Any) -> None:
        real(self, *args, **{**kwargs, "exit_pid": os.getpid()})

    def end() -> None:
        raise SystemExit(0)

    item.__init__ = make
    queue._recv_bytes = end
    return ""
