"""A task that takes memory, holds it for a second, and is killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool


def take(size: int) -> None:
    """Hold ``size`` bytes, then be killed as the kernel kills who has too much."""
    held = bytearray(os.urandom(1 << 20) * (size >> 20))
    time.sleep(1.0)
    os.kill(os.getpid(), signal.SIGKILL)
    del held


if __name__ == "__main__":
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
        try:
            pool.submit(take, 120 << 20).result()
        except BrokenProcessPool:
            pass
