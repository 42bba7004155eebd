"""What a pool's futures say of a worker that could not start, or that tasks have changed."""

from __future__ import annotations

from concurrent.futures import BrokenExecutor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from workerstate.errors import WorkerStartError
    from workerstate.fleet import Fleet


class Told:
    """Why a pool broke, asked once: a worker that could not start, or what the pool itself says."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._asked = False
        self._failure: WorkerStartError | None = None
        self._drift = fleet.drift if fleet.spec.drift != "ignore" else None

    def warn(self) -> None:
        """Warn of what tasks have left behind in their workers."""
        if self._drift is not None:
            self._drift.warn()

    def warned(self, results: Iterator[Any]) -> Iterator[Any]:
        """Give results, and warn of what their tasks left behind when the last has come."""
        try:
            yield from results
        finally:
            self.warn()

    def failure(self) -> WorkerStartError | None:
        """Give why a worker could not start, if that is what broke the pool."""
        if not self._asked:
            self._failure = self._fleet.failure()
            self._asked = True
        return self._failure

    def explain(self, error: BaseException | None) -> BaseException | None:
        """Give the error to show in the place of the pool's."""
        if not isinstance(error, BrokenExecutor):
            return error
        failure = self.failure()
        if failure is None:
            return error
        if failure.__cause__ is None:  # the worker could tell none
            failure.__cause__ = error
        return failure

    def watch(self, future: Any) -> None:
        """Have a pool's future say why a worker could not start.

        It stays the pool's own, so that cancelling, waiting and its state are the pool's matter.
        """
        kind = type(future)
        told = _kinds.get(kind)
        if told is None:
            told = _kinds[kind] = type(kind.__name__, (_ToldFuture, kind), {})
        future._told = self
        future.__class__ = told


class _ToldFuture:
    """What is laid over the class of a pool's futures.

    It asks when the result is asked for: the pool's thread, which sets it, must not be held up.
    """

    _told: Told

    def result(self, timeout: float | None = None) -> Any:
        try:
            return super().result(timeout)  # type: ignore[misc]
        except BrokenExecutor as error:
            failure = self._told.explain(error)
            if failure is error or failure is None:
                raise
            raise failure  # noqa: B904  # its cause is the worker's own error
        finally:
            self._told.warn()

    def exception(self, timeout: float | None = None) -> BaseException | None:
        error = super().exception(timeout)  # type: ignore[misc]
        self._told.warn()
        return self._told.explain(error)


_kinds: dict[type, type] = {}
