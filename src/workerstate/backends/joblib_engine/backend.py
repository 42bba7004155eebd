"""joblib's calls on our own workers: the backend ``workerstate``.

    with spec.joblib(n_jobs=4, start_method="template", clean="task"):
        Parallel()(delayed(f)(x) for x in items)     # and scikit-learn's n_jobs

The workers are those of ``workerstate.Executor``, and live as long as the block, or as the backend
object where there is none. Large arrays travel in shared memory, one copy per task: joblib's
``max_nbytes``, ``mmap_mode`` and ``temp_folder`` are of no effect.
"""

from __future__ import annotations

import multiprocessing
import threading
import warnings
import weakref

from joblib import cpu_count
from joblib.parallel import AutoBatchingMixin, FallbackToBackend, ParallelBackendBase

from workerstate.backends.joblib_engine.batch import Batch
from workerstate.backends.joblib_engine.calls import Alone, Call
from workerstate.backends.joblib_engine.executor import CallsExecutor
from workerstate.errors import SpecError
from workerstate.spec_checks import options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from workerstate.spec import WorkerSpec

OPTIONS = ("start_method", "clean", "timeout", "retries", "start_timeout")
# What every Parallel passes to its backend, asked for or not.
_JOBLIBS = ("max_nbytes", "temp_folder", "mmap_mode", "verbose", "context")


class Workers:
    """The executors that the calls of one block run on: one for each number of jobs.

    Args:
        spec: what the workers start with.
        given: ``start_method``, ``clean``, ``timeout``, ``retries`` and ``start_timeout`` of
            ``Executor``.
        is_block: tasks run in workers with ``n_jobs=1`` too.
    """

    def __init__(
        self, spec: WorkerSpec, given: Mapping[str, Any], *, is_block: bool = False
    ) -> None:
        options("joblib on our workers", given, OPTIONS)
        method = given.get("start_method")
        if method in ("thread", "inline"):
            instead = "backend='threading'" if method == "thread" else "n_jobs=1"
            raise SpecError(
                f"joblib(start_method={method!r}): use {instead} without start_method and clean"
            )
        self.spec = spec
        self.given = dict(given)
        self.is_block = is_block
        self._executors: dict[Any, CallsExecutor] = {}
        self._lock = threading.Lock()

    def get(self, n_jobs: int, backend: WorkerstateBackend) -> CallsExecutor:
        """Give the executor for so many jobs, with the options of a backend object."""
        given = {**self.given, **backend.given}
        key = n_jobs, backend.inner_max_num_threads, *sorted(given.items())
        with self._lock:
            if key not in self._executors:
                spec = self._declared(backend._prepare_worker_env(n_jobs=n_jobs), given)
                self._executors[key] = CallsExecutor(n_jobs, spec=spec, **given)
            return self._executors[key]

    def _declared(self, env: dict[str, str], given: Mapping[str, Any]) -> WorkerSpec:
        """Give the spec with what joblib itself needs in workers."""
        spec = self.spec.replace(preload=(*self.spec.preload, Batch.__module__))
        if given.get("start_method") == "fork":  # their libraries have read theirs
            return spec
        environ = {**env, **spec.set.get("environ", {})}
        return spec.replace(set={**spec.set, "environ": environ})

    @property
    def plain(self) -> bool:
        """Whether it makes no difference to a task that it runs in this process."""
        return self.spec.static and self.given.get("clean", "never") == "never"

    def __reduce__(self) -> Any:
        return Workers, (self.spec, self.given)

    def close(self) -> None:
        """End all workers."""
        with self._lock:
            executors, self._executors = list(self._executors.values()), {}
        for each in executors:
            each.shutdown()


class WorkerstateBackend(AutoBatchingMixin, ParallelBackendBase):  # type: ignore[misc]
    """Runs the batches of a ``joblib.Parallel`` in workers of ours.

    With ``clean="task"``, and with ``timeout`` or ``retries``, each task is sent by itself;
    otherwise joblib chooses how many are sent at a time. ``n_jobs`` is the number of cores if not
    given. Parallel calls inside tasks use threads, as under joblib's own process backends.

    Args:
        nesting_level, inner_max_num_threads: joblib's.
        workers: where to run.
        given: for the executor; see ``Workers``.
    """

    default_n_jobs = -1
    supports_return_generator = True
    supports_timeout = True

    def __init__(
        self,
        nesting_level: int | None = None,
        inner_max_num_threads: int | None = None,
        *,
        workers: Workers,
        given: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(nesting_level=nesting_level, inner_max_num_threads=inner_max_num_threads)
        self.workers = workers
        self.given = dict(given or {})
        self._serves: Callable[[], Any] = lambda: None  # the Parallel that it was made for
        self._unordered = False
        self._call: Call | None = None
        self._executor: CallsExecutor

    @property
    def supports_inner_max_num_threads(self) -> bool:
        """Whether workers can be told how many threads libraries may use: not forks of this one."""
        return self.workers.given.get("start_method") != "fork"

    @property
    def supports_retrieve_callback(self) -> bool:
        """Whether results come by callback: where joblib wants them in the order they come in."""
        return self._unordered

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """Give how many workers run for ``n_jobs``: one where processes can't be nested."""
        if n_jobs == 0:
            raise ValueError("n_jobs == 0 in Parallel has no meaning")
        if n_jobs is None:
            return 1
        nested = not self.in_main_thread() and self.nesting_level != 0
        if n_jobs != 1 and (nested or multiprocessing.current_process().daemon):
            where = "below threads" if nested else "in a daemon process"
            warnings.warn(
                f"Workerstate-backed parallel loops cannot be nested {where}, setting n_jobs=1",
                stacklevel=3,
            )
            return 1
        return int(max(cpu_count() + 1 + n_jobs, 1)) if n_jobs < 0 else n_jobs

    def configure(
        self,
        n_jobs: int = 1,
        parallel: Any = None,
        prefer: Any = None,
        require: Any = None,
        **rest: Any,
    ) -> int:
        """Prepare for a Parallel object, which gets a backend object of its own."""
        if self._serves() is not parallel:
            given = {name: value for name, value in rest.items() if name not in _JOBLIBS}
            options("Parallel(backend='workerstate')", given, OPTIONS)
            raise FallbackToBackend(self._for(parallel, given))
        self._unordered = parallel.return_as == "generator_unordered"
        n_jobs = self.effective_n_jobs(n_jobs)
        if n_jobs > 1:
            self.parallel = parallel
            self._executor = self.workers.get(n_jobs, self)
        elif not self.workers.is_block and not self.workers.plain:
            warnings.warn(
                "joblib runs tasks in this process with n_jobs=1: nothing holds of what is "
                "declared of workers; in a block of spec.joblib(...) they run in a worker",
                stacklevel=3,
            )
        return n_jobs

    def _for(self, parallel: Any, given: Mapping[str, Any]) -> WorkerstateBackend:
        threads, given = self.inner_max_num_threads, {**self.given, **given}
        made = WorkerstateBackend(self.nesting_level, threads, workers=self.workers, given=given)
        made._serves = weakref.ref(parallel)  # which holds it
        return made

    def start_call(self) -> None:
        """Begin a call of the Parallel object."""
        self._call = self._open(self._executor)
        # What an earlier call left there, because it was aborted, would be run as this one's.
        left = getattr(self.parallel, "_ready_batches", None)
        if left is not None:
            self.parallel._ready_batches = type(left)()

    def _open(self, executor: CallsExecutor) -> Call:
        spec = self.workers.spec
        return Call(
            executor,
            spec.next_call(),
            bound=not spec.static,
            alone=self._alone(executor),
            pushed=self._unordered,
        )

    def _alone(self, executor: CallsExecutor) -> bool:
        return executor.clean == "task" or executor.limited

    def compute_batch_size(self) -> int:
        """Give how many tasks are to be sent at a time."""
        if self._call is None or self._call.alone:
            return 1
        return int(super().compute_batch_size())

    def submit(self, func: Any, callback: Callable[[Any], object] | None = None) -> Any:
        """Send a batch; give what its results are asked of."""
        assert self._call is not None
        return self._call.submit(func.items, self.get_nested_backend(), callback)

    apply_async = submit  # its name before joblib 1.5

    def retrieve_result_callback(self, out: Any) -> list[Any]:
        """Give the results of a batch that has ended."""
        found: list[Any] = out.results()
        return found

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """Give up the tasks of this call; the executor and what it was given remain."""
        if self._call is not None:
            self._call.abort()

    def terminate(self) -> None:
        """Take in that the Parallel object has ended; the workers live on for the next."""
        self.parallel = self._call = None
        self.reset_batch_stats()

    def one_by_one(self, parallel: Any, tasks: Iterable[Any]) -> Any:
        """Give tasks that run in a worker when joblib calls them: it does so at one job."""
        call = self._open(self.workers.get(1, self))
        nested = self.get_nested_backend()
        return (
            (Alone(call, fn, nested, parallel.timeout), args, kwargs) for fn, args, kwargs in tasks
        )

    def __reduce__(self) -> Any:
        return _revive, (self.nesting_level, self.inner_max_num_threads, self.workers, self.given)


def _revive(level: int | None, threads: int | None, workers: Workers, given: Any) -> Any:
    return WorkerstateBackend(level, threads, workers=workers, given=given)
