"""Tasks that differ in what their result depends on, run by the pool that is named."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress

SEEN: list[int] = []
OFFSET = 0
LIMIT = 1
if sys.argv[3:]:  # in each process that loads this
    threading.Thread(target=threading.Event().wait, daemon=True).start()


class Box:
    """A value that pickle knows by the name of its class."""

    def __init__(self, content):
        self.content = content

    def __eq__(self, other):
        return self.content == other.content

    __hash__ = None


def setup(offset):
    """Set what ``prepared`` adds."""
    global OFFSET
    OFFSET = offset


def remembers(number):
    """Count the calls of this worker."""
    SEEN.append(number)
    return len(SEEN)


def boxes(number):
    """Count them, in an object of a class of the main module."""
    return Box(remembers(number))


def raises(number):
    """Count them, in an exception."""
    raise ValueError(remembers(number))


def doubles(number):
    """Depend on nothing."""
    return 2 * number


def prepared(number):
    """Depend on the initializer."""
    return number + OFFSET


def inherits(number):
    """Depend on what the parent had set before it forked."""
    return number + LIMIT


def clock(number):
    """Differ each time."""
    return time.perf_counter_ns(), os.urandom(8), number


def large(number):
    """Return more than is kept."""
    return bytes(1 << 21)


def locked(number):
    """Have a pool whose initializer is given what only a process object can take along."""
    return number


def changes_argument(numbers):
    """Empty the list that it is given."""
    total = sum(numbers) + remembers(0)
    numbers.clear()
    return total


def run(way, task):
    """Give some numbers to a pool of one worker."""
    items = range(5) if task is not changes_argument else [[number, 1] for number in range(5)]
    kind, _, method = way.partition("-")
    context = multiprocessing.get_context(method) if method else None
    if kind == "joblib":
        from joblib import Parallel, delayed

        Parallel(2, backend="multiprocessing", batch_size=2)(delayed(task)(each) for each in items)
    elif kind == "loky":
        from loky import ProcessPoolExecutor as LokyExecutor

        with LokyExecutor(1) as pool:
            list(pool.map(abs, items))
            list(pool.map(task, items))
    elif kind == "pool":
        given = context.Lock() if task is locked else 10
        with context.Pool(1, setup, (given,)) as pool:
            pool.map(task, items)  # in chunks
            pool.close()
            pool.join()
    else:
        with ProcessPoolExecutor(1, context, setup, (10,)) as pool:
            for future in [pool.submit(task, each) for each in items]:
                with suppress(ValueError):
                    future.result()


if __name__ == "__main__":
    LIMIT = 7
    run(sys.argv[1], globals()[sys.argv[2]])
    print("done")
    sys.exit(3)
