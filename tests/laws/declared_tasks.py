"""What the tests of declarations run in workers; imports nothing heavy."""

from __future__ import annotations

import decimal
import logging
import os
import random
import time

import workerstate

OPTIONS = {"mode": "from the file"}
log = logging.getLogger("declared.tasks")


def seen(_item):
    """Give the state that a task finds."""
    level = logging.getLogger("declared.tasks").getEffectiveLevel()
    return decimal.getcontext().prec, level, dict(OPTIONS)


def who(_item):
    time.sleep(0.02)
    return workerstate.worker()


def say(item):
    log.info("item %s", item)
    return item


def draw(_item):
    return workerstate.stdlib_rng().random(), random.random()


def draw_own(_item):
    return workerstate.stdlib_rng().random()


def held(_item):
    """Give the pid in which this worker's resource was opened, and this one's."""
    time.sleep(0.02)
    return workerstate.resource("mark"), os.getpid()


def touch(path):
    """Leave a mark that the task was run."""
    with open(path, "a") as file:
        file.write("ran\n")


def missing_file():
    raise FileNotFoundError("/models/en.bin is not there")


def die():
    os._exit(3)


def open_mark():
    path = os.environ["DECLARED_MARK"]
    with open(path, "a") as file:
        file.write(f"open {os.getpid()}\n")
    return os.getpid()


def close_mark(pid):
    with open(os.environ["DECLARED_MARK"], "a") as file:
        file.write(f"close {pid}\n")
