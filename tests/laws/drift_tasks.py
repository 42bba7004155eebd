"""Tasks that leave something behind, one for each kind of process-wide state; run in workers."""

from __future__ import annotations

import builtins
import decimal
import gc
import logging
import os
import random
import signal
import sys
import tempfile
import threading
import types
import warnings

OPTIONS = {"mode": "from the file"}
HELD = []
SEEN = []


def pid(_item=None):
    return os.getpid()


def handle(*_args):
    """Handle a signal, or stand for a hook."""


class Environ:
    facet = "environ"

    def leak(self):
        os.environ["LEFT_BEHIND"] = "yes"

    def read(self):
        return os.environ.get("LEFT_BEHIND")


class Cwd:
    facet = "cwd"

    def leak(self):
        os.chdir(os.path.dirname(os.getcwd()))

    def read(self):
        return os.getcwd()


class Umask:
    facet = "cwd"

    def leak(self):
        os.umask(0o77 ^ self.read())

    def read(self):
        mask = os.umask(0)
        os.umask(mask)
        return mask


class SysPath:
    facet = "sys_path"

    def leak(self):
        sys.path.insert(0, "/left/behind")

    def read(self):
        return list(sys.path)


class SysModules:
    facet = "sys_modules"

    def leak(self):
        sys.modules["left_behind"] = types.ModuleType("left_behind")

    def read(self):
        return "left_behind" in sys.modules


class Level:
    facet = "logging"

    def leak(self):
        logging.getLogger().setLevel(logging.getLogger().level + 1)

    def read(self):
        return logging.getLogger().level


class Handlers:
    facet = "logging"

    def leak(self):
        logging.getLogger().addHandler(logging.StreamHandler())

    def read(self):
        return list(map(type, logging.getLogger().handlers))


class FileHandlers:
    facet = "logging"

    def leak(self):
        logging.getLogger("jobs").addHandler(logging.FileHandler(os.devnull))

    def read(self):
        return len(logging.getLogger("jobs").handlers)


class Filters:
    facet = "warnings"

    def leak(self):
        warnings.filterwarnings("error", f"number {len(warnings.filters)}")

    def read(self):
        return list(warnings.filters)


class NumpyErrors:
    facet = "numpy"
    needs = "numpy"

    def leak(self):
        import numpy

        numpy.seterr(over="raise")

    def read(self):
        import numpy

        return numpy.geterr()


class NumpySeed:
    facet = "numpy"
    needs = "numpy"
    readable = False

    def leak(self):
        import numpy

        numpy.random.seed(len(SEEN))
        SEEN.append(numpy.random.random())

    def read(self):
        return None


class RandomSeed:
    facet = "random"
    readable = False

    def leak(self):
        random.seed(len(SEEN))
        SEEN.append(random.random())

    def read(self):
        return None


class Decimal:
    facet = "decimal"

    def leak(self):
        decimal.getcontext().prec += 1

    def read(self):
        return decimal.getcontext().prec


class Recursion:
    facet = "limits"

    def leak(self):
        sys.setrecursionlimit(sys.getrecursionlimit() + 100)

    def read(self):
        return sys.getrecursionlimit()


class Collector:
    facet = "limits"

    def leak(self):
        gc.disable()

    def read(self):
        return gc.isenabled()


class Signals:
    facet = "signals"

    def leak(self):
        signal.signal(signal.SIGUSR1, handle)

    def read(self):
        return signal.getsignal(signal.SIGUSR1) is handle


class Timer:
    facet = "signals"

    def leak(self):
        signal.signal(signal.SIGALRM, handle)
        signal.setitimer(signal.ITIMER_REAL, 60)

    def read(self):
        return signal.getsignal(signal.SIGALRM) is handle, signal.getitimer(signal.ITIMER_REAL)


class Hooks:
    facet = "hooks"

    def leak(self):
        sys.excepthook = handle

    def read(self):
        return sys.excepthook is handle


class Builtins:
    facet = "builtins"

    def leak(self):
        builtins.left_behind = 1

    def read(self):
        return hasattr(builtins, "left_behind")


class Threads:
    facet = "threads"
    can_reset = False

    def leak(self):
        threading.Thread(target=threading.Event().wait, name="pump", daemon=True).start()

    def read(self):
        return threading.active_count()


class Globals:
    facet = "modules"

    def leak(self):
        OPTIONS["mode"] = "left behind"

    def read(self):
        return dict(OPTIONS)


KINDS = {
    kind.__name__: kind()
    for kind in (
        *(Environ, Cwd, Umask, SysPath, SysModules, Level, Handlers, FileHandlers, Filters),
        *(NumpyErrors, NumpySeed, RandomSeed, Decimal, Recursion, Collector, Signals, Timer),
        *(Hooks, Builtins, Threads, Globals),
    )
}


def leak(kind):
    KINDS[kind].leak()
    return os.getpid()


def leak_if(now, kind):
    if now:
        KINDS[kind].leak()


def read(kind):
    return os.getpid(), KINDS[kind].read()


def leak_and_fail(kind):
    KINDS[kind].leak()
    raise LookupError("the task's own")


def grow(megabytes):
    HELD.append(bytearray(os.urandom(1000)) * (megabytes * 1000))
    return os.getpid()


def open_files(count):
    HELD.extend(open(os.devnull) for _ in range(count))  # noqa: SIM115
    return os.getpid()


def lead_a_normal_life(item):
    """Do what tasks do, and leave nothing behind that anyone would mind."""
    import csv
    import json
    import sqlite3  # noqa: F401
    import xml.dom.minidom  # noqa: F401

    if item % 3 == 0:
        try:
            import numpy
            import pandas  # noqa: F401
        except ImportError:
            numpy = None
        if numpy is not None:
            numpy.random.random(1000)
            with numpy.errstate(all="ignore"):
                numpy.ones(3) / 0
    for _ in range(item * 100):
        random.random()
    logging.getLogger(f"jobs.{item}").info("at work")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.warn("never seen", stacklevel=1)
    with decimal.localcontext() as context:
        context.prec = 5
    with tempfile.TemporaryFile("w+") as file:
        csv.writer(file).writerow([json.dumps(item)])
    worker = threading.Thread(target=sum, args=([1, 2],))
    worker.start()
    worker.join()
    OTHERS[item] = bytearray(1000)
    return item


OTHERS = {}
