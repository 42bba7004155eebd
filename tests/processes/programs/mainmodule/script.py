"""All that a script may have in its main module, met by tasks of one start method (argv)."""

import enum
import functools
import logging
import os
import sys
import threading
from dataclasses import dataclass

from workerstate import Executor, WorkerSpec

MODEL = None
OPTIONS = {"rate": 1}
MISSING = object()
MODE = "as imported"
LOG = None


class Settings:
    level = "as imported"
    names = ()


COUNTS = []
LOCAL = threading.local()


class Color(enum.Enum):
    RED = 1


@dataclass
class Point:
    x: int


class Broken(Exception):
    pass


def initialize():
    global MODEL
    MODEL = f"model of {os.getpid() and 'a worker'}"


def read_model(_=None):
    return MODEL


def identities(color, point, kind):
    return color is Color.RED, type(point) is Point, kind is Point, isinstance(point, Point)


def moved(point):
    return Point(point.x + 1)


def rate():
    return OPTIONS["rate"]


def mode(sentinel=MISSING):
    return MODE, Settings.level, LOG and LOG.name, Settings.names, sentinel is MISSING


def fail():
    raise Broken("as it should")


def count():
    COUNTS.append(1)
    return len(COUNTS)


@functools.cache
def cached(x):
    return x * 2


def logged(fn):
    @functools.wraps(fn)
    def run(*args):
        return "logged", fn(*args)

    return run


@logged
def wrapped(x):
    return x


def reads_guarded():
    return FACTOR * 2  # bound under the guard


def calls_reader():
    return reads_guarded() + 1


def makes_guarded(x):
    return Late(x).x


def resource(pool):
    return None


def try_tasks(pool, more):
    add = 10

    def local(x):
        return x + add if x > 2 else local(x + 1)

    rows = [
        pool.submit(read_model).result(),
        pool.submit(lambda: MODEL).result(),
        pool.submit(identities, Color.RED, Point(1), Point).result(),
        pool.submit(lambda c, p, k: identities(c, p, k), Color.RED, Point(1), Point).result(),
        pool.submit(moved, Point(1)).result() == Point(2),
        pool.submit(rate).result(),
        pool.submit(cached, 4).result(),
        pool.submit(wrapped, 4).result(),
        pool.submit(local, 0).result(),
        list(pool.map(moved, [Point(1), Point(2)])) == [Point(2), Point(3)],
        [pool.submit(fn, *args).result() for fn, *args in more],
    ]
    try:
        pool.submit(fail).result()
    except Broken as error:
        rows.append(str(error))
    rows.append(pool.submit(functools.partial(moved, Point(5))).result() == Point(6))
    made = pool.submit(lambda x: lambda: Point(x), 3).result()
    rows.append(made() == Point(3))
    return rows


if __name__ == "__main__":
    FACTOR = 3
    OPTIONS["rate"] = 7
    MODE = "as set"
    LOG = logging.getLogger("as set")
    Settings.level = "as set"

    class Late:
        def __init__(self, x):
            self.x = x

    def late(x):
        return type(x) is Late, x.x * FACTOR

    more = [(reads_guarded,), (calls_reader,), (late, Late(2)), (makes_guarded, 5)]
    spec = WorkerSpec(initializer=initialize, carry=["__main__:OPTIONS"])
    for clean in ("never", "call", "task"):
        with Executor(1, spec=spec, start_method=sys.argv[1], clean=clean) as pool:
            for row in try_tasks(pool, more):
                print(row)
            print([pool.submit(count).result() for _ in range(2)])
            print(pool.submit(mode).result())
