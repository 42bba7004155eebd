"""Kills sixty workers at random moments, each the only one of its pool; prints who was in a task.

A task notes in shared memory that it runs, after its worker wrote its first line about it and
before it writes the second: a worker that is noted when it is killed was in a task.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.sharedctypes import RawValue

DEADLINE = 30.0
running = RawValue("i", 0)
finished = RawValue("i", 0)


def busy(number: int) -> int:
    """Run for a moment, noted."""
    running.value = os.getpid()
    end = time.perf_counter() + 0.002 * (1 + number % 3)
    while time.perf_counter() < end:
        pass
    running.value = 0
    finished.value += 1
    return number


def stop(pid: int) -> None:
    """Stop a process, and wait until it has stopped: what it is in, it stays in."""
    os.kill(pid, signal.SIGSTOP)
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        with open(f"/proc/{pid}/stat") as file:
            if file.read().rpartition(")")[2].split()[0] in "Tt":
                return
    raise TimeoutError(f"{pid} does not stop")


def main() -> None:
    """Start a worker, let it work for a random while, kill it; sixty times."""
    rng = random.Random(20)
    context = multiprocessing.get_context("fork")
    in_task: dict[int, bool] = {}
    for _ in range(60):
        running.value = finished.value = 0
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            for number in range(200):
                pool.submit(busy, number)
            wanted, end = rng.randrange(9), time.monotonic() + DEADLINE
            while finished.value < wanted and time.monotonic() < end:
                pass
            moment = time.perf_counter() + rng.uniform(0, 0.005)
            while time.perf_counter() < moment:
                pass
            (pid,) = pool._processes
            stop(pid)
            in_task[pid] = running.value == pid
            os.kill(pid, signal.SIGKILL)
    print(json.dumps(in_task))


if __name__ == "__main__":
    main()
