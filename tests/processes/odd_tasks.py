"""What initializers do to their process, and tasks that see it; imports nothing heavy."""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import time
from pathlib import Path

HELD = []  # what a process goes on with


def ignore_children():
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)


def reap_children():
    """Take in the end of whatever child has ended, as supervisors do."""
    signal.signal(signal.SIGCHLD, _reap)


def _reap(*args):
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except OSError:
        pass


def way_with_children():
    found = signal.getsignal(signal.SIGCHLD)
    return getattr(found, "__name__", found)


def limit_tasks():
    signal.signal(signal.SIGALRM, _end_task)


def _end_task(*args):
    raise TimeoutError("the initializer's own limit")


def run_long():
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    time.sleep(30)


def fail_a_fork(path):
    """Have the next fork fail once there is a file, whose name then tells how far that has come."""
    usual = os.fork

    def fork():
        if os.path.exists(path):
            os.rename(path, f"{path}.failed")
            raise BlockingIOError(11, "Resource temporarily unavailable")
        if os.path.exists(f"{path}.failed"):
            os.rename(f"{path}.failed", f"{path}.forked")
        return usual()

    os.fork = fork


def fail_forks(after):
    """Have forks fail, without waits between attempts: this process's after so many."""
    from workerstate.engine import processes

    processes.PAUSES = ()
    usual, me, left = os.fork, os.getpid(), [None] * after

    def fork():
        if os.getpid() != me or not left:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        left.pop()
        return usual()

    os.fork = fork


def touch_at_exit(path):
    """Have this process end when the next task runs, and the fork that follows fail."""
    atexit.register(_touch_when_begun, path)


def _touch_when_begun(path):
    _wait_for(f"{path}.begun")
    Path(path).touch()


def begin_and_wait(path):
    Path(f"{path}.begun").touch()
    return _wait_for(f"{path}.forked")


def _wait_for(path):
    end = time.monotonic() + 8
    while not os.path.exists(path) and time.monotonic() < end:
        time.sleep(0.005)
    return os.path.exists(path)


def fail_at_length():
    raise ValueError("no such thing: " + "x" * 400_000)


def start_heir(path):
    """Start a process that inherits what can be, and say which."""
    HELD.append(subprocess.Popen(["sleep", "600"], close_fds=False))
    with open(path, "w") as file:
        file.write(str(HELD[-1].pid))
