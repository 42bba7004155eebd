"""Faults of tasks, and what tasks leave behind; run in workers, imports nothing heavy."""

from __future__ import annotations

import atexit
import ctypes
import faulthandler
import os
import resource
import signal
import sys
import threading
import time
from pathlib import Path

OPTIONS = {"step": 0}
HELD = []  # what a worker's process goes on with


class OddError(Exception):
    """Can be pickled, but not read again: it is made of two things, and keeps one."""

    def __init__(self, one, two):
        super().__init__(one)


class Acts:
    """Something that does as it is named where it is read."""

    def __init__(self, fault):
        self.fault = fault

    def __reduce__(self):
        return act, (self.fault,)


class ActsWhenPickled(Acts):
    """Something that does as it is named where it is pickled."""

    def __reduce__(self):
        act(self.fault)
        return list, ()


def act(fault):
    """Do what goes wrong."""
    FAULTS[fault]()


def give_acting(fault):
    return ActsWhenPickled(fault)


def give_acts(fault):
    return Acts(fault)


def act_at_exit(fault):
    """Succeed, and do it when the worker ends."""
    atexit.register(act, fault)
    return os.getpid()


def fail():
    raise ValueError("no such thing")


def leave():
    os._exit(3)


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def segfault():
    faulthandler.disable()  # pytest's would write to the terminal
    ctypes.string_at(0)


def hang_again(path):
    """Open a resource; where it has been opened before, never come to an end."""
    if os.path.exists(path):
        hang()
    with open(path, "w"):
        pass


def hang_once(path):
    """Open a resource, and never come to an end; where that has been tried before, be quick."""
    if not os.path.exists(path):
        touch(path)
        hang()


def hang():
    while True:
        time.sleep(60)


def end():
    sys.exit(5)


def overflow():
    """Go deeper than the stack: an error, or the end of the process."""
    faulthandler.disable()
    usual = sys.getrecursionlimit()
    sys.setrecursionlimit(10**8)
    try:
        deep = []
        for _ in range(3 * 10**5):
            deep = [deep]
        repr(deep)
    finally:
        sys.setrecursionlimit(usual)


def hog():
    """Take more memory than the process may have."""
    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    usual = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + (32 << 20), usual[1]))
    taken = []
    try:
        while True:
            taken.append(bytearray(1 << 20))
    finally:
        resource.setrlimit(resource.RLIMIT_AS, usual)


def give_lock():
    return threading.Lock()


def raise_lock():
    raise ValueError("locked", threading.Lock())


def raise_odd():
    raise OddError("odd", 2)


def fail_at_length():
    raise ValueError("begins" + "x" * 300_000)


def leave_helper(path):
    """Leave a process that has all files of this one open; write who it is."""
    pid = os.fork()
    if pid == 0:
        hang()
    Path(path).write_text(str(pid))


def fork_no_more():
    """Let no process that is forked from this one fork another, as where there are too many."""
    fork, own = os.fork, os.getpid()

    def limited():
        if os.getpid() != own:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return fork()

    os.fork = limited


FAULTS = {
    "raise": fail,
    "_exit": leave,
    "kill": kill,
    "segfault": segfault,
    "hang": hang,
    "sys.exit": end,
    "overflow": overflow,
    "hog": hog,
}


def step():
    return OPTIONS["step"], os.getpid()


def good(number):
    return number * number


def touch(path):
    Path(path).touch()


def act_counted(path, fault):
    """Count that this is run, then do what goes wrong."""
    with open(path, "a") as file:
        file.write("x")
    act(fault)


def little_patience():
    from workerstate.engine import processes

    processes.LAST = 0.3


def touch_and_hang(path):
    """Write who has forked this process, and stay."""
    Path(f"{path}.tmp").write_text(str(os.getppid()))
    os.rename(f"{path}.tmp", path)
    hang()
