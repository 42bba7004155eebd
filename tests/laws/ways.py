"""Every way to run tasks with a spec: each gives a function that maps, inside a pool."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import multiprocessing as mp
from concurrent.futures import ProcessPoolExecutor

import pytest

from workerstate import Executor

METHODS = ("fork", "spawn", "forkserver")


@contextlib.contextmanager
def executor(method, spec, size):
    with Executor(size, spec=spec, start_method=method) as pool:
        yield lambda fn, items: list(pool.map(fn, items, timeout=30))


@contextlib.contextmanager
def pool(method, spec, size):
    with spec.multiprocessing(method).Pool(size) as made:
        yield lambda fn, items: made.map_async(fn, items, 1).get(30)
        made.close()
        made.join()


@contextlib.contextmanager
def futures(method, spec, size):
    with ProcessPoolExecutor(size, **spec.futures(mp.get_context(method))) as made:
        yield lambda fn, items: list(made.map(_bound(spec, fn), items, timeout=30))


@contextlib.contextmanager
def reusable(_method, spec, size):
    from loky import get_reusable_executor

    made = get_reusable_executor(size, timeout=60, **spec.loky())
    try:
        yield lambda fn, items: list(made.map(_bound(spec, fn), items, timeout=30))
    finally:
        made.shutdown(wait=True)


@contextlib.contextmanager
def joblib(backend, spec, size):
    from joblib import Parallel, delayed
    from joblib.externals.loky import get_reusable_executor

    try:
        with spec.joblib(n_jobs=1 if backend == "sequential" else size, backend=backend):
            yield lambda fn, items: Parallel()(delayed(fn)(item) for item in items)
    finally:
        if backend == "loky":
            get_reusable_executor().shutdown(wait=True)


@contextlib.contextmanager
def joblib_on_engine(method, spec, size):
    from joblib import Parallel, delayed

    method, _, clean = method.partition("/")
    with spec.joblib(n_jobs=size, start_method=method, clean=clean or "never"):
        yield lambda fn, items: Parallel()(delayed(fn)(item) for item in items)


@contextlib.contextmanager
def mpire(method, spec, size):
    from mpire import WorkerPool

    with WorkerPool(size, start_method=method) as made:
        yield lambda fn, items: made.map(_bound(spec, fn), list(items), **spec.mpire())


@contextlib.contextmanager
def pebble(method, spec, size):
    from pebble import ProcessPool

    with ProcessPool(size, context=mp.get_context(method), **spec.pebble()) as made:

        def run(fn, items):
            bound = _bound(spec, fn)
            tasks = [made.schedule(bound, args=[item]) for item in items]
            return [task.result(timeout=30) for task in tasks]

        yield run
        made.close()
        made.join()


def _bound(spec, fn):
    return spec.bind(fn)


BOUND_BY_HAND = (futures, reusable, mpire, pebble)
ALL = [
    *((executor, method) for method in ("template", *METHODS, "loky", "thread", "inline")),
    *((pool, method) for method in METHODS),
    *((futures, method) for method in METHODS),
    (reusable, "loky"),
    *((joblib, backend) for backend in ("loky", "multiprocessing", "threading", "sequential")),
    *((joblib_on_engine, how) for how in ("template", "template/call", "template/task")),
    *((way, method) for way in (mpire, pebble) for method in ("fork", "spawn")),
]
NEEDS = {
    reusable: "loky",
    joblib: "joblib",
    joblib_on_engine: "joblib",
    mpire: "mpire",
    pebble: "pebble",
}


def name(way, method):
    return f"{way.__name__}-{method}"


def in_process(method):
    return method in ("thread", "inline", "threading", "sequential")


def open_way(way, method, spec, size):
    """Open one, or skip where its library is not installed."""
    needed = "loky" if method == "loky" and way is executor else NEEDS.get(way)
    if needed and importlib.util.find_spec(needed) is None:
        pytest.skip(f"{needed} is not installed")
    return way(method, spec, size)


every_way = functools.partial(
    pytest.mark.parametrize, ("way", "method"), [pytest.param(w, m, id=name(w, m)) for w, m in ALL]
)()
