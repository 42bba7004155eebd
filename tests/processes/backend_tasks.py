"""What the tests of the joblib backend run in workers; imports nothing heavy."""

from __future__ import annotations

import os
import time

STATE: list[int] = []


def add_one(number):
    return number + 1


def leave_behind(item):
    """Give how many tasks have run here before, and in which process."""
    STATE.append(item)
    time.sleep(0.01)
    return len(STATE) - 1, os.getpid()


def fail_at(number, bad):
    if number == bad:
        raise KeyError(number)
    return number


def die_at(number, bad):
    if number == bad:
        os._exit(7)
    return number


def wait_for_a_file(path):
    """Run until the file is there: for ever, if nobody makes it. Tell that it runs."""
    open(f"{path}.{os.getpid()}", "w").close()
    while not os.path.exists(path):
        time.sleep(0.01)


def nested(count):
    """Give what a task's own Parallel call gives, and how it ran."""
    from joblib import Parallel, delayed
    from joblib.parallel import get_active_backend

    backend, _ = get_active_backend()
    found = Parallel(n_jobs=2)(delayed(leave_pid)(number) for number in range(count))
    return type(backend).__name__, set(found) == {os.getpid()}


def named(count):
    from joblib import Parallel, delayed

    with_name = Parallel(n_jobs=2, backend="workerstate")
    return with_name(delayed(add_one)(number) for number in range(count))


def leave_pid(_number):
    return os.getpid()


def threads(_item):
    return os.environ.get("OMP_NUM_THREADS")
