"""Pools without the engine: threads, the caller itself, and processes where there is no Linux."""

from __future__ import annotations

from concurrent.futures import Future

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def threads(size: int) -> Any:
    """Give a pool of this process's threads."""
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(size, thread_name_prefix="workerstate")


def processes(method: str, size: int, initializer: Callable[[], object], clean: str) -> Any:
    """Give the standard library's pool of processes; each runs one task if ``clean`` says so.

    Raises:
        SpecError: Python 3.10's can't do that, nor can any under ``fork``.
    """
    import multiprocessing
    import sys

    from workerstate.errors import SpecError
    from workerstate.replacing import ReplacingPool

    context: Any = multiprocessing.get_context(method)
    if clean == "never":
        return ReplacingPool(size, mp_context=context, initializer=initializer)
    if sys.version_info < (3, 11):
        raise SpecError(f"clean={clean!r} needs Python 3.11 on {sys.platform}")
    if method == "fork":
        raise SpecError(f"clean={clean!r} under 'fork' needs Linux; use 'spawn' on {sys.platform}")
    return ReplacingPool(size, mp_context=context, initializer=initializer, max_tasks_per_child=1)


class Inline:
    """Runs each task when it is submitted."""

    def submit(self, fn: Callable[..., Any], /, *args: Any) -> Future[Any]:
        """Run ``fn(*args)``, and give a future that is done."""
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        try:
            future.set_result(fn(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Nothing runs any more when a submit has returned."""
