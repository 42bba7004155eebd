"""A task that ends only when as many workers as asked for are in it, each its own process."""

from __future__ import annotations

import os
import time
from pathlib import Path

DEADLINE = 30.0


def meet(folder: str, size: int, place: int = 0) -> int:
    """Wait for ``size`` processes, give our pid; ``place`` tells the tasks of a map apart."""
    Path(folder, str(os.getpid())).touch()
    end = time.monotonic() + DEADLINE
    while len(os.listdir(folder)) < size:
        if time.monotonic() > end:
            raise TimeoutError(f"{len(os.listdir(folder))} of {size} came")
        time.sleep(0.002)
    return os.getpid()


def square(number: int) -> int:
    """Give our pid, whatever the number is."""
    return number * 0 + os.getpid()


def refuse(number: int) -> int:
    """Raise, as a task with a fault does."""
    raise ValueError(f"not {number}")
