"""What the laws of Executor run in workers; imports nothing heavy."""

from __future__ import annotations

import decimal
import logging
import os
import random
import signal
import threading
import time
from pathlib import Path

import workerstate

OPTIONS = {"mode": "from the file"}
log = logging.getLogger("executor.tasks")


class OddError(Exception):
    """Can be pickled, but not read again: it is made of two things, and keeps one."""

    def __init__(self, one, two):
        super().__init__(one)
        self.two = two


class Sent:
    """Keeps what it is called with, for calls of bound methods."""

    def __init__(self, kept):
        self.kept = kept

    def add(self, number):
        return self.kept + number


def pid(_item=None):
    return os.getpid()


def together(*args, **kwargs):
    return args, kwargs


def later_first(item):
    """Take longer the earlier the item is."""
    time.sleep(0.05 if item == 0 else 0)
    return item


def fail(item):
    if item == 2:
        raise KeyError(f"no {item}")
    return item


def wait_for(path, value=None):
    """Run until the file is there, and tell by another that this has begun."""
    Path(f"{path}.begun").touch()
    while not os.path.exists(path):
        time.sleep(0.005)
    return value


def give_lock():
    return threading.Lock()


def raise_lock():
    raise ValueError("locked", threading.Lock())


def raise_odd():
    raise OddError("odd", 2)


def double(data):
    return data + data


def same_array(array):
    """Change the argument, and give it back."""
    array += 1
    return array


def seen():
    return decimal.getcontext().prec, log.getEffectiveLevel(), dict(OPTIONS)


def say(item):
    log.warning("said %s", item)


def draw(_item):
    return workerstate.stdlib_rng().random(), random.random()


def who(_item=None):
    return workerstate.worker()


def opened():
    """Give the pids in which the resources were opened, and this one's."""
    return workerstate.resource("shared"), workerstate.resource("own"), os.getpid()


def times(path):
    """Count how often this is run, in a file that outlives the worker."""
    with open(path, "a") as file:
        file.write("x")
    return os.path.getsize(path)


def die_once(path):
    if times(path) == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"


def die(path):
    times(path)
    os._exit(7)


def hang_once(path):
    while times(path) == 1:
        time.sleep(60)
    return "awake"
