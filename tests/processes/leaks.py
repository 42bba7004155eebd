"""What a task can leave behind in its process, one of each kind, and what the next one finds.

The first fourteen are those that were seen to pass from task to task in reused loky workers.
"""

from __future__ import annotations

import atexit
import builtins
import decimal
import functools
import gc
import logging
import multiprocessing
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
import types
import warnings
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import workerstate

STATE = {"written": 0}
HELD = []
FORKED = {"children"}  # what only a template's nursery takes away


@functools.lru_cache(None)
def cached(number):
    return object()


class Single:
    made = None


def _mask():
    before = os.umask(0)
    os.umask(before)
    return before


def _numpy():
    import numpy

    return numpy


def _fault_levels():
    return _numpy().geterr()["over"]


def _numbers():
    return float(_numpy().random.random())


def _filters():
    return len(warnings.filters)


def _wait(*_args):
    """Handle a signal, or be a thread that does not end."""
    threading.Event().wait()


# For each kind: what a task does, and what tells whether it has been done.
KINDS = {
    "environ": (lambda: os.environ.update(LEFT="1"), lambda: os.environ.get("LEFT")),
    "cwd": (lambda: os.chdir("/"), os.getcwd),
    "sys.path": (lambda: sys.path.append("/left"), lambda: "/left" in sys.path),
    "sys.modules": (
        lambda: sys.modules.update(left=types.ModuleType("left")),
        lambda: "left" in sys.modules,
    ),
    "logging": (lambda: logging.root.setLevel(1), lambda: logging.root.level),
    "warnings": (lambda: warnings.simplefilter("error", ImportWarning), _filters),
    "numpy errors": (lambda: _numpy().seterr(over="raise"), _fault_levels),
    "decimal": (
        lambda: setattr(decimal.getcontext(), "prec", 3),
        lambda: decimal.getcontext().prec,
    ),
    "recursion limit": (lambda: sys.setrecursionlimit(4321), sys.getrecursionlimit),
    "signals": (
        lambda: signal.signal(signal.SIGUSR1, _wait),
        lambda: str(signal.getsignal(signal.SIGUSR1)),
    ),
    "threads": (
        lambda: threading.Thread(target=_wait, daemon=True).start(),
        threading.active_count,
    ),
    "gc": (gc.disable, gc.isenabled),
    "umask": (lambda: os.umask(0o7), _mask),
    "builtins": (lambda: setattr(builtins, "left", 1), lambda: hasattr(builtins, "left")),
    "globals": (lambda: STATE.update(written=1), lambda: STATE["written"]),
    "cache": (lambda: cached(1), lambda: cached.cache_info().currsize),
    "singleton": (lambda: setattr(Single, "made", 1), lambda: Single.made),
    "descriptors": (lambda: os.open(__file__, os.O_RDONLY), lambda: len(_open_here())),
    "limits": (
        lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)),
        lambda: resource.getrlimit(resource.RLIMIT_CORE),
    ),
    "children": (lambda: os.fork() or _wait(), lambda: len(_children())),
    "tempfile": (lambda: setattr(tempfile, "tempdir", "/left"), lambda: tempfile.tempdir),
    "handlers": (
        lambda: logging.root.addHandler(logging.NullHandler()),
        lambda: len(logging.root.handlers),
    ),
}
EVERY = [each for each in KINDS if not each.startswith("numpy")]


def _open_here():
    folder = "/proc/self/fd/"
    found = [folder + each for each in os.listdir(folder) if os.path.exists(folder + each)]
    return [each for each in found if os.path.samefile(each, __file__)]


def resident(leave=True):
    """Give the bytes in memory, and leave as many as 64 MB behind."""
    with open("/proc/self/statm") as file:
        found = int(file.read().split()[1]) * resource.getpagesize()
    if leave:
        HELD.append(b"x" * (64 << 20))
    return found


def _children():
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return file.read().split()


def read(kinds):
    return {kind: KINDS[kind][1]() for kind in kinds}


def leak(kinds):
    """Leave all of them behind; give what was found before, and what then."""
    before = read(kinds)
    for kind in kinds:
        KINDS[kind][0]()
    return before, read(kinds)


def draw(_item=None):
    """Draw from the generators that a program uses without making one."""
    return random.random(), _numbers()


def note(path, text):
    with open(path, "a") as file:
        file.write(f"{text}\n")


class Prepare:
    """Leaves for the exit what is not the tasks' to do."""

    def __init__(self, path):
        self.path = path

    def __call__(self):
        import multiprocessing.util

        atexit.register(note, self.path, "inherited")
        multiprocessing.util.Finalize(None, note, (self.path, "inherited"), exitpriority=1)
        HELD.append(tempfile.TemporaryDirectory())


def leave_for_exit(path):
    """Leave for the exit what only an orderly end does; give the temporary folders."""
    import multiprocessing.util

    there = os.path.isdir(HELD[0].name)
    atexit.register(note, path, "atexit")
    multiprocessing.util.Finalize(None, note, (path, "finalizer"), exitpriority=1)
    HELD.append(tempfile.TemporaryDirectory())
    HELD.append(open(f"{path}.open.{os.getpid()}", "w"))  # noqa: SIM115
    HELD[-1].write("not flushed")
    return there, HELD[0].name, HELD[1].name


def start_sleeper():
    return subprocess.Popen(["sleep", "600"]).pid


def keep(array):
    HELD.append(array)


def kept():
    return [(float(each.min()), float(each.max())) for each in HELD]


def make_segment(unlink):
    from multiprocessing.shared_memory import SharedMemory

    segment = SharedMemory(create=True, size=4096)
    segment.close()
    if unlink:
        segment.unlink()
    return segment.name


def run_thread():
    threading.Thread(target=_wait, name="its-own-thread", daemon=True).start()


def run_short_thread():
    threading.Thread(target=time.sleep, args=(0.2,)).start()


def hold_lock():
    logging.root.addHandler(logging.StreamHandler())
    logging.root.handlers[-1].lock.acquire()


def compute_with_openmp():
    import numpy
    from sklearn.ensemble import HistGradientBoostingClassifier

    data = numpy.random.default_rng(0).random((200, 4))
    HistGradientBoostingClassifier(max_iter=2).fit(data, data[:, 0] > 0.5)


def nested(how):
    """Run tasks in workers of this worker."""
    if how == "Executor":
        with workerstate.Executor(2, clean="task") as pool:
            return list(pool.map(abs, [-1, -2]))
    if how == "Pool":
        with multiprocessing.get_context("fork").Pool(2) as pool:
            return pool.map(abs, [-1, -2])
    if how == "spawn":
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            return list(pool.map(abs, [-1, -2]))
    if how == "threads":
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(abs, [-1, -2]))
    if how == "exec":
        return [int(subprocess.check_output(["echo", str(n)])) for n in (1, 2)]
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, b"12")
        os._exit(0)
    os.waitpid(child, 0)
    return [int(each) for each in os.read(reader, 2).decode()]


def family():
    """Say what multiprocessing takes this process for."""
    import multiprocessing

    parent = multiprocessing.parent_process()
    return multiprocessing.current_process().name, parent.pid, parent.is_alive()
