"""A Pool of two and four Processes that end in four ways; prints who did what."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import tempfile

from meeting import meet, refuse, square


def finish() -> None:
    """End well."""


def leave() -> None:
    """End with an exit code."""
    sys.exit(3)


def die() -> None:
    """End by a signal."""
    os.kill(os.getpid(), signal.SIGKILL)


def fail() -> None:
    """End by an exception."""
    raise ValueError("a target that raises")


def main(method: str) -> None:
    """Use a pool by each of its calls, then start the processes."""
    context = multiprocessing.get_context(method)
    tasks: list[list[object]] = []
    ends: dict[int, int | None] = {}
    with tempfile.TemporaryDirectory() as folder, context.Pool(2) as pool:
        met = pool.starmap(meet, [(folder, 2, place) for place in range(2)], chunksize=1)
        tasks += [["meeting:meet", pid, 1] for pid in met]
        squared = pool.map(square, range(4), chunksize=1)
        tasks += [["meeting:square", pid, 2] for pid in squared]
        tasks.append(["meeting:square", pool.apply_async(square, (1,)).get(), 3])
        try:
            pool.apply(refuse, (1,))
        except ValueError:
            pass
        workers = pool._pool
        pool.close()
        pool.join()
        ends.update((worker.pid, worker.exitcode) for worker in workers)
    for target in (finish, leave, die, fail):
        process = context.Process(target=target)
        process.start()
        process.join()
        ends[process.pid] = process.exitcode
        tasks.append([f"__main__:{target.__name__}", process.pid, None])
    print(json.dumps({"tasks": tasks, "ends": ends}))


if __name__ == "__main__":
    main(sys.argv[1])
