"""One worker or more whose tasks say what they have of the parent's, and what they draw."""

import contextvars
import decimal
import json
import multiprocessing
import random
import sys
import threading

tenant = contextvars.ContextVar("tenant", default=None)
TENANTS = ("ada", "bob", "eve")


def bill(_):
    """Say whose task this is, and how exactly it reckons."""
    return [tenant.get(), decimal.getcontext().prec]


def draw(_, more=None):
    """Draw a number from the global generator."""
    return random.randrange(10**9)


def refuse(item):
    """Fail."""
    raise ValueError(item)


def become(number):
    """Give this thread a tenant and a precision."""
    tenant.set(TENANTS[number])
    decimal.getcontext().prec = 10 + number


class Pool:
    """multiprocessing.Pool, and billiard's, which is made like it."""

    def __init__(self, module, size):
        self.pool = module.Pool(size)

    def map(self, function, items, chunksize):
        """Give the results of one call."""
        return self.pool.map(function, items, chunksize)

    def more(self, items, chunksize):
        """Draw in each other way that this backend has."""
        return [
            self.pool.starmap(draw, [(item, 0) for item in items], chunksize),
            list(self.pool.imap(draw, items, chunksize)),
            list(self.pool.imap(draw, items)),
            self.pool.apply(draw, (0,)),
        ]

    def close(self):
        """End the workers."""
        self.pool.close()
        self.pool.join()


class Futures:
    """concurrent.futures, and loky, which is made like it."""

    def __init__(self, pool):
        self.pool = pool

    def map(self, function, items, chunksize):
        """Give the results of one call."""
        return list(self.pool.map(function, items, chunksize=chunksize))

    def more(self, items, chunksize):
        """Draw in each other way that this backend has."""
        return [self.pool.submit(draw, item).result() for item in items[:3]]

    def close(self):
        """End the workers."""
        self.pool.shutdown()


class Joblib:
    """joblib on one of its backends, which cuts batches as it sees fit, or as it is told."""

    def __init__(self, backend, size):
        self.backend, self.size = backend, size

    def map(self, function, items, chunksize):
        """Give the results of one call."""
        return self._run(function, items, chunksize)

    def more(self, items, chunksize):
        """Draw in each other way that this backend has."""
        return self._run(draw, items * 5, "auto")

    def _run(self, function, items, batch_size):
        from joblib import Parallel, delayed, parallel_config

        with parallel_config(self.backend, n_jobs=self.size):
            return Parallel(batch_size=batch_size)(delayed(function)(item) for item in items)

    def close(self):
        """Nothing: they end with the program."""


class Pebble(Futures):
    """pebble's pool."""

    def map(self, function, items, chunksize):
        """Give the results of one call."""
        return list(self.pool.map(function, items, chunksize=chunksize).result())

    def more(self, items, chunksize):
        """Draw in each other way that this backend has."""
        return [self.pool.schedule(draw, (item,)).result() for item in items[:3]]

    def close(self):
        """End the workers."""
        self.pool.close()
        self.pool.join()


class Mpire(Pool):
    """mpire's pool."""

    def __init__(self, module, size):
        self.pool = module.WorkerPool(size, start_method="spawn")

    def map(self, function, items, chunksize):
        """Give the results of one call."""
        return self.pool.map(function, items, chunk_size=chunksize)

    def more(self, items, chunksize):
        """Draw in each other way that this backend has."""
        return list(self.pool.imap(draw, items))

    def close(self):
        """End the workers."""
        self.pool.stop_and_join()


def open_pool(backend, size):
    """Give a pool of that backend."""
    if backend in ("fork", "spawn", "forkserver"):
        return Pool(multiprocessing.get_context(backend), size)
    if backend == "futures":
        from concurrent.futures import ProcessPoolExecutor

        context = multiprocessing.get_context("spawn")
        return Futures(ProcessPoolExecutor(size, mp_context=context))
    if backend.startswith("joblib-"):
        return Joblib(backend.removeprefix("joblib-"), size)
    if backend == "loky":
        import loky

        return Futures(loky.get_reusable_executor(size))
    if backend == "pebble":
        import pebble

        return Pebble(pebble.ProcessPool(size))
    return {"billiard": Pool, "mpire": Mpire}[backend](__import__(backend), size)


def state(pool):
    """Ask for each tenant's bills, one after the other."""
    found = []
    for number in range(len(TENANTS)):
        become(number)
        found.append(pool.map(bill, [0, 1, 2], 2))
    return found


def threads(pool):
    """Ask for each tenant's bills in a thread of its own."""
    found = {}

    def ask(number):
        become(number)
        found[number] = [pool.map(bill, [0], 1) for _ in range(5)]

    started = [threading.Thread(target=ask, args=(number,)) for number in range(len(TENANTS))]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    return found


def main(what, backend, size):
    """Do what is asked, and print what came of it."""
    pool = open_pool(backend, int(size))
    try:
        if what in ("state", "threads"):
            print(json.dumps(globals()[what](pool)))
        elif what == "refuse":
            pool.map(refuse, [1, 1, 1], 2)
        else:
            items, chunksize = list(range(8)), 1 + int(size)
            drawn = [pool.map(draw, items, 1), pool.map(draw, items, chunksize)]
            print(json.dumps([*drawn, pool.more(items, chunksize)]))
    finally:
        pool.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
