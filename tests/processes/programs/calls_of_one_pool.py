"""Calls from loops, threads and one after the other, to two pools at once; prints their lines."""

from __future__ import annotations

import json
import multiprocessing
import sys
import threading
from concurrent.futures import ProcessPoolExecutor


def one(number: int) -> int:
    """Give the number."""
    return number


def line() -> int:
    """Give the line of the caller."""
    return sys._getframe(1).f_lineno


if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    lines = []
    with context.Pool(1) as pool, ProcessPoolExecutor(1, mp_context=context) as executor:
        for _ in range(2):
            pool.map(one, range(3), chunksize=1)
            lines.append([line() - 1, 3])
        futures = [executor.submit(one, number) for number in range(3)]
        lines.append([line() - 1, 3])
        list(executor.map(one, range(4)))
        lines.append([line() - 1, 4])
        jobs = [pool.apply_async(one, (number,)) for number in range(2)]
        lines.append([line() - 1, 2])
        [job.get() for job in jobs]
        list(pool.imap_unordered(one, range(4), chunksize=2))
        lines.append([line() - 1, 2])
        thread = threading.Thread(target=lambda: lines.append([line(), len(pool.map(one, [1]))]))
        thread.start()
        thread.join()
        pool.close()
        pool.join()
    print(json.dumps(lines))
