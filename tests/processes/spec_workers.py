"""What the tests of specs run in workers."""

from __future__ import annotations

import logging
import os
import pathlib
import signal
import sys
import time
from typing import ClassVar

import workerstate

OPTIONS = {"depth": 1}
PLACE = pathlib.PurePosixPath("here")
log = logging.getLogger("spec.workers")


class Settings:
    """Holds settings as attributes."""

    rate = 1
    names: ClassVar[list[str]] = ["x"]

    class Inner:
        """Holds more."""

        depth = 2


def settings(_item=None):
    """Give what a class of this module holds, and a path."""
    return Settings.rate, Settings.names, Settings.Inner.depth, PLACE.name


def options(_item=None):
    time.sleep(0.05)
    return os.getpid(), OPTIONS["depth"]


def number(_item=None):
    time.sleep(0.02)
    return workerstate.worker().number, os.getpid()


def draw(_item=None):
    import random

    return random.random()


def shout(item):
    print(f"said {item}")
    os.write(2, b"native\n")


def log_and_die(item):
    log.warning("last words %s", item)
    os.kill(os.getpid(), signal.SIGKILL)


def crash_once(path):
    """End the process unless somebody has before."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return workerstate.worker().number
    sys.stdout.flush()
    os._exit(5)


def level(_item=None):
    return logging.getLogger("spec.workers").getEffectiveLevel()


def start_up():
    """Set logging up as an initializer does that knows nothing of us."""
    logging.basicConfig(level=logging.INFO, handlers=[logging.StreamHandler(sys.stdout)])


def wait_for(path):
    while not os.path.exists(path):
        time.sleep(0.005)


def slow_start():
    time.sleep(30)


def touch(path):
    with open(path, "a") as file:
        file.write(f"{os.getpid()}\n")
    return path


def touch_at_end():
    touch(os.environ["SPEC_MARK"])


def call_both():
    return number(), level()


def fail_at(item, where):
    if item == where:
        raise KeyError(item)
    time.sleep(0.01)
    return ("aborted", item)


def a_name():
    return "a name"


def named(_item=None):
    return workerstate.resource("name")


def score_by_name(*_):
    return float(named() == "a name")


def precision(_item=None):
    import decimal

    time.sleep(0.01)
    return decimal.getcontext().prec


def own(_item=None):
    return workerstate.stdlib_rng().random()


def missing():
    raise FileNotFoundError("en.bin")


def call(fn, *args):
    return fn(*args)


def die():
    os._exit(5)


def say_in_pieces(number):
    """Print a line in two pieces, with a moment in between."""
    print("begin", number, end=" ")
    time.sleep(0.002)
    print("end", number)
