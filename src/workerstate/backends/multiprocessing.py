"""multiprocessing: a context whose pools and processes start as a spec declares.

ctx = spec.multiprocessing("spawn")     # in the place of multiprocessing.get_context("spawn")
with ctx.Pool(4) as pool: ...
"""

from __future__ import annotations

import multiprocessing.context
import multiprocessing.pool

from workerstate.errors import SpecError
from workerstate.fleet import Fleet, Initializer
from workerstate.refusal import is_loop
from workerstate.workerside import run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from workerstate.spec import WorkerSpec
    from workerstate.workerside import Stamp


_POOL: Any = multiprocessing.pool


class Context:
    """A multiprocessing context; what it doesn't change is the real one's."""

    def __init__(self, spec: WorkerSpec, real: Any) -> None:
        self._spec = spec
        self._real = real
        self._fleet = Fleet(spec, backend="multiprocessing")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def get_context(self, method: str | None = None) -> Any:
        """Give this context, or one of another start method with the same spec."""
        return self if method is None else context(self._spec, method)

    def Pool(  # noqa: N802  # multiprocessing's own names, here and below
        self,
        processes: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] = (),
        maxtasksperchild: int | None = None,
    ) -> Pool:
        """Give a multiprocessing.Pool; ``initializer`` runs after the spec's."""
        return Pool(self._spec, self._real, processes, initializer, initargs, maxtasksperchild)

    def Process(self, *args: Any, **kwargs: Any) -> Any:  # noqa: N802
        """Give a process that starts as declared before it runs its target."""
        method = self._real.get_start_method()
        return _PROCESSES[method](Initializer(self._fleet), *args, **kwargs)


def context(spec: WorkerSpec, method: Any = None) -> Context:
    """Give a context for a start method, or over a context that is there.

    Raises:
        SpecError: no such start method here.
    """
    if method is not None and not isinstance(method, str):
        return Context(spec, method.get_context())
    try:
        real = multiprocessing.get_context(method)
    except ValueError as error:
        raise SpecError(f"multiprocessing({method!r}): {error}") from error
    return Context(spec, multiprocessing.get_context(real.get_start_method()))


class Pool(multiprocessing.pool.Pool):
    """A pool whose tasks bring the parent's state of when they were submitted, and their seeds."""

    def __init__(
        self,
        spec: WorkerSpec,
        real: Any,
        processes: int | None,
        initializer: Callable[..., object] | None,
        initargs: Iterable[Any],
        maxtasksperchild: int | None,
    ) -> None:
        self._fleet = Fleet(spec, backend="multiprocessing", size=processes)
        first = Initializer(self._fleet, initializer, *initargs)
        super().__init__(processes, first, (), maxtasksperchild, real)

    def _stamp(self) -> Stamp:
        return self._fleet.stamp(self._fleet.spec.next_call(), 0)

    def apply_async(
        self, func: Any, args: Any = (), kwds: Any = None, *rest: Any, **more: Any
    ) -> Any:
        """As the base class; a call of its own."""
        task = (self._stamp(), func, args, kwds or {})
        return self._told(super().apply_async(run, task, {}, *rest, **more))

    def _map_async(self, func: Any, iterable: Any, mapper: Any, *rest: Any, **more: Any) -> Any:
        # What map, map_async, starmap and starmap_async all come to.
        star = mapper is _POOL.starmapstar
        call: Any = _Indexed(self._stamp(), func, star)
        items = list(enumerate(iterable))
        result = super()._map_async(call, items, _POOL.mapstar, *rest, **more)  # type: ignore[misc]
        return self._told(result)

    def _told(self, result: Any) -> Any:
        """Have a result warn of drift when it is asked for."""
        if self._fleet.spec.drift != "ignore":
            result._fleet = self._fleet
            result.__class__ = _TOLD[type(result)]
        return result

    def imap(self, func: Any, iterable: Iterable[Any], chunksize: int | None = 1) -> Any:
        """As the base class; one call, whose tasks go by their index."""
        call = _Indexed(self._stamp(), func, False)
        return super().imap(call, enumerate(iterable), chunksize or 1)

    def imap_unordered(self, func: Any, iterable: Iterable[Any], chunksize: int | None = 1) -> Any:
        """As the base class; one call, whose tasks go by their index."""
        call = _Indexed(self._stamp(), func, False)
        return super().imap_unordered(call, enumerate(iterable), chunksize or 1)

    def terminate(self) -> None:
        """As the base class; what the workers have logged is then with the parent's handlers."""
        super().terminate()
        self._fleet.drain()
        self._fleet.drift.warn()

    def join(self) -> None:
        """As the base class; what the workers have logged is then with the parent's handlers."""
        super().join()
        self._fleet.drain()
        self._fleet.drift.warn()


class _Told:
    """What is laid over the classes of a pool's results."""

    _fleet: Fleet

    def get(self, timeout: float | None = None) -> Any:
        try:
            return super().get(timeout)  # type: ignore[misc]
        finally:
            self._fleet.drift.warn()


_TOLD = {
    kind: type(kind.__name__, (_Told, kind), {})
    for kind in (multiprocessing.pool.ApplyResult, multiprocessing.pool.MapResult)
}


class _Indexed:
    """One call's function, for items that come with their index."""

    def __init__(self, stamp: Stamp, fn: Callable[..., Any], star: bool) -> None:
        self._stamp = stamp
        self._fn = fn
        self._star = star

    def __call__(self, item: tuple[int, Any]) -> Any:
        index, given = item
        args = tuple(given) if self._star else (given,)
        return run(self._stamp._replace(key=index), self._fn, args, {})


class _Declared(multiprocessing.process.BaseProcess):
    """A process that starts as declared; mixed into the class of each start method."""

    def __init__(self, first: Initializer, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._first = first

    def run(self) -> None:
        """Start as declared, then run the target; not at all if that can't be."""
        self._first()
        super().run()

    def join(self, timeout: float | None = None) -> None:
        """As the base class.

        Raises:
            WorkerStartError: the process could not start as declared, and ran nothing.
        """
        super().join(timeout)
        if self.exitcode and not is_loop(self):
            failure = self._first.failure(self.pid)
            if failure is not None:
                raise failure


class _Fork(_Declared, multiprocessing.context.ForkProcess):
    pass


class _Spawn(_Declared, multiprocessing.context.SpawnProcess):
    pass


class _ForkServer(_Declared, multiprocessing.context.ForkServerProcess):
    pass


_PROCESSES = {"fork": _Fork, "spawn": _Spawn, "forkserver": _ForkServer}
