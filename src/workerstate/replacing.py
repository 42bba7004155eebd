"""A ``ProcessPoolExecutor`` that replaces a worker which has said that it ends.

The standard library's, with ``max_tasks_per_child``, asks a semaphore whether another worker is
idle, which counts finished tasks and not workers; so up to 3.14 it may start no successor, and
the tasks that wait never run (CPython gh-115634).
"""

from __future__ import annotations

import threading
from concurrent.futures import ProcessPoolExecutor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class ReplacingPool(ProcessPoolExecutor):
    """Counts processes where the base class counts finished tasks."""

    def _adjust_process_count(self) -> None:
        this: Any = self
        if threading.current_thread() is not this._executor_manager_thread:
            super()._adjust_process_count()
        elif this._processes is not None and len(this._processes) < this._max_workers:
            # A worker has just ended. Forking here, beside threads, is what multiprocessing.Pool
            # does as well.
            this._spawn_process()
