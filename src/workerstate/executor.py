"""One executor over every start method, honouring the same declaration on each."""

from __future__ import annotations

import sys
from concurrent.futures import Future

from workerstate.declared import Declared
from workerstate.errors import BackendUnavailableError, SpecError, nearest
from workerstate.fleet import Fleet, Initializer
from workerstate.spec import WorkerSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, TypeVar

    from workerstate.engine.pool import Pool
    from workerstate.engine.tasks import Limits
    from workerstate.purity import Purity
    from workerstate.workerside import Stamp

    T = TypeVar("T")

PROCESSES = ("template", "fork", "spawn", "forkserver", "loky")
START_METHODS = (*PROCESSES, "thread", "inline")
_BACKENDS = {"thread": "threads", "inline": "inline"}
CLEAN = ("never", "call", "task")
# Sockets of whole packets, pidfds and epoll are Linux's.
HAS_ENGINE = sys.platform == "linux"


class Executor(Declared):
    """Runs tasks in workers that start as ``spec`` declares; a ``concurrent.futures.Executor``.

    Tasks, results, log records, random numbers and failures are the same for each start method. A
    task whose process dies fails with WorkerDiedError, which names it; every other task completes,
    and the executor goes on.

    ``template`` (Linux's default) prepares one fresh process, with the spec's modules, shared
    resources and initializer, and forks workers from it. With ``clean="task"`` each task has a
    process of its own, forked from the prepared state; so it sees exactly that, and what it leaves
    behind goes with it. Other start methods keep that contract by starting a process for each task.

    ``thread`` and ``inline`` run tasks in this process: what belongs to a whole process is then the
    parent's own, what ``spec.set`` gives of it is put back at the end, and the global generators
    (``random``, ``numpy.random``) can't be a thread's own, so only ``workerstate.rng()`` is seeded
    under ``thread``.

    ``map`` cuts chunks as big as its tasks are short. If one task of a chunk kills its worker, the
    others are run again; with ``chunksize=1`` each task is run once.

    Args:
        max_workers: how many workers; as many as the processor has cores if not given.
        spec: what they start with.
        start_method: ``template``, ``fork``, ``spawn``, ``forkserver``, ``loky``, ``thread`` or
            ``inline``; ``template`` on Linux, elsewhere multiprocessing's default, if not given.
        clean: ``never``: workers serve all tasks; ``call``: those of each call (a ``submit`` or a
            ``map``) have fresh ones; ``task``: each task has one.
        timeout: seconds that a task may run; then its worker is killed, and it fails with
            TaskTimeoutError.
        retries: how often a task is run again whose worker has died, or was killed for its
            ``timeout``; what a task raises is never tried again.
        start_timeout: seconds that the template, or a worker, may take to start; then its tasks
            fail with WorkerStartError. A start that takes 30 s is told of by a SlowStartWarning.

    Raises:
        SpecError: no such start method, number of workers, or ``clean``; or the start method can't
            do what is asked for.
        BackendUnavailableError: loky is not installed.
    """

    def __init__(
        self,
        max_workers: int | None = None,
        *,
        spec: WorkerSpec | None = None,
        start_method: str | None = None,
        clean: str = "never",
        timeout: float | None = None,
        retries: int = 0,
        start_timeout: float | None = None,
    ) -> None:
        self.start_method = _check_method(start_method)
        self.clean = _check_clean(clean, self.start_method)
        self.max_workers = _check_size(max_workers, self.start_method)
        limited = _check_limits(timeout, retries, start_timeout, self.start_method)
        spec = spec if spec is not None else WorkerSpec()
        backend = _BACKENDS.get(self.start_method, "workerstate" if HAS_ENGINE else "futures")
        reused = clean != "task"
        fleet = Fleet(spec, backend=backend, size=self.max_workers, reused=reused)
        self._engine: Pool | None = None
        pool: Any
        if HAS_ENGINE and self.start_method in PROCESSES:
            pool = self._engine = _make_engine(
                self.start_method, self.max_workers, fleet, clean, start_timeout
            )
        else:
            pool = _make_pool(self.start_method, self.max_workers, fleet, clean)
        self._limits = limited
        self._settled = ""
        self._static = spec.static
        super().__init__(spec, pool, fleet)
        if self._engine is not None:
            from workerstate.engine.exits import end_with

            end_with(self, self._engine)
            if self.start_method == "template":
                self._engine.open()

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Run ``fn(*args, **kwargs)`` in a worker that has the parent's carried state of now.

        The future raises WorkerStartError if the worker could not start as declared,
        TaskPicklingError if the task can't be sent, and WorkerDiedError if its worker has died.
        """
        if self._engine is None:
            return super().submit(fn, *args, **kwargs)
        future = self._engine.submit(fn, args, kwargs, mark=self._mark(), limits=self._limits)
        if not self._static and self.spec.drift != "ignore":
            self._told.watch(future)
        return future

    def map(
        self,
        fn: Callable[..., T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int | None = None,
        buffersize: int | None = None,
    ) -> Iterator[T]:
        """Give ``fn`` of each item, in order; one call of the spec, whose tasks go by their index.

        As ``concurrent.futures.Executor.map``; carried state is that of now for all of them.

        Args:
            fn: called with one item of each iterable.
            iterables: where the items come from.
            timeout: seconds from now within which each result must have come.
            chunksize: how many tasks are sent at a time; chosen by how long they take if not given.
            buffersize: how many results may wait to be taken; the iterables are then read as the
                results are.
        """
        if self._engine is None or buffersize is not None:
            many = 1 if chunksize is None else chunksize
            return super().map(
                fn, *iterables, timeout=timeout, chunksize=many, buffersize=buffersize
            )
        if chunksize is not None and chunksize < 1:
            raise ValueError("chunksize must be >= 1.")
        spread = len(iterables) != 1
        items = list(zip(*iterables)) if spread else list(iterables[0])  # noqa: B905
        results = self._engine.map(
            fn,
            items,
            spread=spread,
            mark=self._mark(),
            limits=self._limits,
            size=1 if chunksize is None and self._fleet.retires else chunksize,
            timeout=timeout,
        )
        return results if self.spec.drift == "ignore" else self._told.warned(results)

    def purity(self, fn: Callable[..., Any], items: Iterable[Any], *, sample: int = 40) -> Purity:
        """Tell whether results of ``fn`` depend on what ran in its worker before.

        Runs a sample of the tasks in workers of its own, with this executor's spec and start
        method: in a used one, in two orders, and each in a fresh one. So what they do to the world
        outside (files, services) they do about three times.

        Args:
            fn: called with one item.
            items: what the tasks are called with.
            sample: how many of them to try at most; the same ones each time.

        Raises:
            SpecError: ``thread`` and ``inline`` have no fresh workers.
        """
        from workerstate.purity import examine

        if self.start_method not in PROCESSES:
            raise SpecError(
                f"purity: start_method={self.start_method!r} has no fresh workers; "
                "use 'template' or another start method that makes processes"
            )
        if not isinstance(sample, int) or sample < 1:
            raise SpecError(f"sample={sample!r}: a whole number from 1 on")
        spec = self.spec.replace(drift="ignore")

        def make(clean: str) -> Executor:
            size = 1 if clean == "never" else self.max_workers
            return Executor(size, spec=spec, start_method=self.start_method, clean=clean)

        return examine(make, fn, items, sample)

    def _mark(self) -> tuple[Any, ...] | None:
        """Give the per-task part of the spec as of now; None where it has none."""
        spec = self.spec
        if self._static:
            return None
        stamp = self._stamp(spec.next_call())
        return stamp.fingerprint, stamp.settings, stamp.seed, stamp.call, stamp.key

    def _stamp(self, call: int) -> Stamp:
        stamp = self._fleet.stamp(call, 0)
        if stamp.fingerprint != self._settled and self._engine is not None:
            self._settled = stamp.fingerprint
            mark = (stamp.fingerprint, stamp.settings, stamp.seed, stamp.call, stamp.key)
            self._engine.source.settle(mark)
        return stamp

    def _submit(self, *task: Any) -> Future[Any]:
        if self._engine is None:
            return super()._submit(*task)
        return self._engine.submit(task[0], task[1:], limits=self._limits)

    def _shut(self, wait: bool, cancel: bool) -> None:
        if self._engine is not None:
            self._engine.shutdown(wait=wait, cancel=cancel)
        else:
            super()._shut(wait, cancel)

    def __exit__(self, kind: type[BaseException] | None, *rest: Any) -> bool | None:
        if kind is not None and issubclass(kind, KeyboardInterrupt) and self._engine is not None:
            # Who presses Ctrl-C doesn't want to wait for what is running.
            self._engine.shutdown(at_once=True)
        return super().__exit__(kind, *rest)


def _check_method(start_method: str | None) -> str:
    if start_method is None:
        if HAS_ENGINE:
            return "template"
        import multiprocessing

        return multiprocessing.get_start_method()
    if start_method not in START_METHODS:
        near = nearest(str(start_method), list(START_METHODS))
        hint = f"; did you mean {near!r}?" if near else f"; known: {', '.join(START_METHODS)}"
        raise SpecError(f"start_method={start_method!r} is not known{hint}")
    if start_method == "template" and not HAS_ENGINE:
        raise SpecError(
            f"start_method='template' needs Linux; on {sys.platform}, 'spawn' keeps the same "
            "contract (clean='task' too), at the price of a start for each fresh worker"
        )
    return start_method


def _check_clean(clean: str, method: str) -> str:
    if clean not in CLEAN:
        near = nearest(str(clean), list(CLEAN))
        hint = f"; did you mean {near!r}?" if near else f"; known: {', '.join(CLEAN)}"
        raise SpecError(f"clean={clean!r} is not known{hint}")
    if clean == "call" and not HAS_ENGINE:
        raise SpecError(f"clean='call' needs Linux; use clean='task' on {sys.platform}")
    if clean != "never" and method not in PROCESSES:
        raise SpecError(
            f"clean={clean!r}: under start_method={method!r} tasks run in this process, which "
            "can't be a fresh one; use 'template' or another start method that makes processes"
        )
    return clean


def _check_size(size: int | None, method: str) -> int:
    if size is None:
        import os

        cores = getattr(os, "process_cpu_count", os.cpu_count)()
        return 1 if method == "inline" else cores or 1
    if not isinstance(size, int) or size < 1:
        raise SpecError(f"max_workers={size!r}: a whole number from 1 on")
    return size


def _check_limits(
    timeout: float | None, retries: int, start_timeout: float | None, method: str
) -> Limits:
    from workerstate.engine.tasks import Limits

    for name, seconds in (("timeout", timeout), ("start_timeout", start_timeout)):
        if seconds is not None and not seconds > 0:
            raise SpecError(f"{name}={seconds!r}: seconds, more than 0, or None")
    if not isinstance(retries, int) or retries < 0:
        raise SpecError(f"retries={retries!r}: a whole number from 0 on")
    limited = retries or timeout is not None or start_timeout is not None
    if limited and not (HAS_ENGINE and method in PROCESSES):
        raise SpecError(
            "timeout=, retries= and start_timeout= end a worker, which "
            f"start_method={method!r} on {sys.platform} can't; use 'template' on Linux"
        )
    return Limits(timeout, retries)


def _make_engine(
    method: str, size: int, fleet: Fleet, clean: str, start_timeout: float | None
) -> Pool:
    from workerstate.engine.pool import Pool
    from workerstate.engine.source import Source

    source: Source
    if method == "template":
        from workerstate.engine.template_source import TemplateSource

        source = TemplateSource(fleet, single=clean == "task")
    else:
        from workerstate.engine.started_source import StartedSource

        context = _context(method)
        source = StartedSource(fleet, context, single=clean == "task")
    return Pool(
        source,
        size,
        by_call=clean == "call",
        start_timeout=start_timeout,
        last_record=fleet.last_record,
    )


def _context(method: str) -> Any:
    if method == "loky":
        return _loky().backend.get_context("loky")
    import multiprocessing

    return multiprocessing.get_context(method)


def _loky() -> Any:
    try:
        import loky
    except ImportError:
        try:
            from joblib.externals import loky
        except ImportError as error:
            raise BackendUnavailableError("loky", "loky") from error
    return loky


def _make_pool(method: str, size: int, fleet: Fleet, clean: str) -> Any:
    """Make a pool without the engine: of this process's threads, or on another platform."""
    from workerstate import simple_pools

    initializer = Initializer(fleet)
    if method == "thread":
        return simple_pools.threads(size)
    if method == "inline":
        return simple_pools.Inline()
    if method == "loky":
        return _loky().ProcessPoolExecutor(size, initializer=initializer)
    return simple_pools.processes(method, size, initializer, clean)
