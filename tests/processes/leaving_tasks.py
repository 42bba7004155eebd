"""What the tests of what a task leaves behind run in workers."""

from __future__ import annotations

import csv
import locale
import os
import socket
import sys
import time


class Halt(BaseException):
    """Neither an Exception nor one that ends an interpreter."""


def halts():
    raise Halt("the licence server said no")


def good(number):
    return number * number


def comes_back_twice(number):
    """Fork, and come back from the task in both processes."""
    child = os.fork()
    if child == 0:
        return "of the copy"
    return os.waitpid(child, 0)[1]


def copy_raises(code):
    child = os.fork()
    if child == 0:
        sys.exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def keeps_a_pool(_number):
    """Start workers that only the end of this one can end."""
    from joblib.externals.loky import get_reusable_executor

    return get_reusable_executor(1).submit(os.getpid).result()


def short_threads(_number):
    """Threads that are about to end when the task does."""
    from multiprocessing.pool import ThreadPool

    with ThreadPool(4) as pool:
        return sum(pool.map(abs, range(4)))


def leaves_files(number):
    for _ in range(number):
        os.dup(0)
    return len(os.listdir("/proc/self/fd"))


def _pandas():
    import pandas

    pandas.set_option("display.max_rows", 7)


def _matplotlib():
    import matplotlib

    matplotlib.rcParams["lines.linewidth"] = 7.0


def _sklearn():
    import sklearn

    sklearn.set_config(assume_finite=True)


def _shown():
    import numpy

    numpy.set_printoptions(precision=3)


def _zone():
    os.environ["TZ"] = "Asia/Tokyo"
    time.tzset()


CHANGES = {
    "pandas": _pandas,
    "matplotlib": _matplotlib,
    "sklearn": _sklearn,
    "numpy": _shown,
    "locale": lambda: locale.setlocale(locale.LC_NUMERIC, "C.UTF-8"),
    "limits": lambda: socket.setdefaulttimeout(7.0),
    "limits of csv": lambda: csv.field_size_limit(1234),
    "time zone": _zone,
}


def changes(name, number, at):
    """Change it in one task, which is not the first one."""
    if name in ("pandas", "matplotlib", "sklearn", "numpy"):
        __import__(name)
    if name == "sklearn":
        __import__(name).get_config()
    if number == at:
        CHANGES[name]()
    return number
