"""The executor as a backend needs it that makes its own calls: tasks that bring their own part."""

from __future__ import annotations

from workerstate.executor import Executor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from typing import Any

    from workerstate.workerside import Stamp


class CallsExecutor(Executor):
    """An ``Executor`` that is told which tasks make up a call, and that can give tasks up."""

    @property
    def limited(self) -> bool:
        """Whether tasks have a timeout, or are run again."""
        return self._limits.timeout is not None or self._limits.retries > 0

    def stamp(self, call: int) -> Stamp:
        """Give what the tasks of a call bring that is made now."""
        return self._stamp(call)

    def send(self, fn: Callable[[], Any], *, call: int, name: str) -> Future[Any]:
        """Run ``fn``, whose tasks bring the spec's per-task part themselves.

        Args:
            fn: what to call in a worker.
            call: the number of the call that it belongs to.
            name: what errors call it.
        """
        if self._engine is None:
            return self._submit(fn)
        future = self._engine.submit(fn, limits=self._limits, call=call, name=name)
        if self.spec.drift != "ignore":
            self._told.watch(future)
        return future

    def abandon(self, futures: list[Future[Any]]) -> None:
        """Give up tasks; on Linux the workers that run them are killed."""
        if self._engine is not None:
            from workerstate.engine.abandoning import abandon

            abandon(self._engine, futures)
        else:
            for future in futures:
                future.cancel()
