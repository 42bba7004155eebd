"""A worker with more tasks than are told one by one; it is killed in the last one."""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile

LAST = 20_300
own = tempfile.TemporaryFile(buffering=0)


def task(number: int) -> None:
    """Take our files away once, and die in the end."""
    if number == LAST - 100:
        os.closerange(30, 2000)
        for _ in range(1010):
            os.dup(own.fileno())
    if number == LAST:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(1) as pool:
        result = pool.map_async(task, range(LAST + 100), chunksize=1)
        pool._pool[0].join(60)  # type: ignore[attr-defined]
        pool.terminate()
    print(os.fstat(own.fileno()).st_size)
