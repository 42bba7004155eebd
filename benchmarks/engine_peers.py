"""The pools that ``engine.py`` compares, each behind the same five calls."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

WORKERS = 2


class Futures:
    """An executor of ``concurrent.futures``' kind."""

    def __init__(self, pool):
        self.pool = pool
        self.submit = pool.submit
        self.map = pool.map
        self.close = pool.shutdown

    @staticmethod
    def result(future):
        """Wait for what ``submit`` gave."""
        return future.result(120)


class Pool:
    """A ``multiprocessing.Pool``."""

    def __init__(self, pool):
        self.pool = pool
        self.map = pool.map

    def submit(self, fn, *args):
        """Begin a task."""
        return self.pool.apply_async(fn, args)

    @staticmethod
    def result(handle):
        """Wait for what ``submit`` gave."""
        return handle.get(120)

    def close(self):
        """End it."""
        self.pool.terminate()
        self.pool.join()


class Joblib:
    """joblib's own process backend."""

    def __init__(self, workers):
        import joblib

        self.joblib = joblib
        self.pool = joblib.Parallel(n_jobs=workers)
        self.pool.__enter__()

    def map(self, fn, items):
        """Run a task per item."""
        return self.pool(self.joblib.delayed(fn)(item) for item in items)

    def close(self):
        """End it, and its workers, which would live on."""
        self.pool.__exit__(None, None, None)
        from joblib.externals.loky import get_reusable_executor

        get_reusable_executor().shutdown(wait=True)


def make(who, workers=WORKERS, *, single=False, preload=()):
    """Make a pool.

    Args:
        who: ``workerstate``, ``joblib``, ``loky``, or ``futures`` or ``Pool`` and a start method.
        workers: how many.
        single: each task has a process of its own.
        preload: modules that workers have, where they can have them beforehand.
    """
    kind, _, method = who.partition(" ")
    if kind == "workerstate":
        from workerstate import Executor, WorkerSpec

        clean = method or ("task" if single else "never")
        return Futures(Executor(workers, spec=WorkerSpec(preload=preload), clean=clean))
    if kind == "joblib":
        return Joblib(workers)
    if kind == "loky":
        import loky

        return Futures(loky.ProcessPoolExecutor(workers))
    import multiprocessing

    context = multiprocessing.get_context(method)
    if method == "forkserver":
        context.set_forkserver_preload(list(preload))
    if kind == "Pool":
        return Pool(context.Pool(workers, maxtasksperchild=1 if single else None))
    from concurrent.futures import ProcessPoolExecutor

    limit = {"max_tasks_per_child": 1} if single else {}
    return Futures(ProcessPoolExecutor(workers, mp_context=context, **limit))
