"""What a worker opens once, holds for all its tasks, and closes when it ends."""

from __future__ import annotations

import sys

from workerstate.errors import NoTaskError, nearest
from workerstate.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Resource(Value):
    """Something that each worker opens of its own: a model, a connection, a device.

    Fields:
        open: called without arguments in each worker before its first task; gives the resource.
        close: called with it when the worker ends: in an orderly way, that is; a worker that is
            killed or terminated closes nothing.
        shared: under the start method ``template``, opened once, before the fork: what is big is
            then in memory once, whatever the number of workers, and a change that a worker makes
            is that worker's alone. Not for connections and open files, which all would talk over.
            Other start methods open it in each worker.
    """

    open: Callable[[], Any]
    close: Callable[[Any], object] | None = None
    shared: bool = False


class Opened:
    """The resources that one worker holds."""

    def __init__(self) -> None:
        self._held: dict[str, Any] = {}
        self._closers: list[Callable[[], object]] = []
        self._closed = False

    def copy(self) -> Opened:
        """Give what a forked worker holds of it: to use, not to close."""
        mine = Opened()
        mine._held = dict(self._held)
        return mine

    def open(self, name: str, resource: Resource) -> None:
        """Open one, and remember how to close it."""
        value = self._held[name] = resource.open()
        close = resource.close
        if close is not None:
            self.at_close(lambda: close(value))

    def at_close(self, call: Callable[[], object]) -> None:
        """Have ``call`` called when the worker ends, before what was opened earlier is closed."""
        self._closers.append(call)

    def get(self, name: str) -> Any:
        """Give the resource of that name."""
        if name not in self._held:
            known = list(self._held)
            near = nearest(name, known)
            hint = f"; did you mean {near!r}?" if near else ""
            raise NoTaskError(f"this worker has no resource {name!r}{hint} It has: {known}")
        return self._held[name]

    def close(self) -> None:
        """Close all, the last opened first; once. What one raises doesn't keep others open."""
        if self._closed:
            return
        self._closed = True
        for call in reversed(self._closers):
            try:
                call()
            except Exception:
                sys.excepthook(*sys.exc_info())
        self._held.clear()


def close_at_exit(call: Callable[[], object]) -> None:
    """Have ``call`` called when this process ends in an orderly way.

    Before Python 3.13 a worker of multiprocessing that was forked runs no ``atexit`` functions, but
    it does run multiprocessing's finalizers; and those are all that a pool's worker surely runs.
    """
    util = sys.modules.get("multiprocessing.util")
    process = sys.modules.get("multiprocessing.process")
    if util is not None and process is not None and process.parent_process() is not None:
        util.Finalize(None, call, exitpriority=10)
    else:
        import atexit

        atexit.register(call)
