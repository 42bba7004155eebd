"""Workers that die in a task, each in its own way; prints pid, function and what was seen."""

from __future__ import annotations

import ctypes
import json
import multiprocessing
import os
import signal
import sys
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool


def fine() -> int:
    """End well."""
    return os.getpid()


def kill() -> None:
    """Be killed."""
    os.kill(os.getpid(), signal.SIGKILL)


def leave() -> None:
    """End the process without a word."""
    os._exit(9)


def crash() -> None:
    """Read where nothing is."""
    ctypes.string_at(0)


def in_executor(context: multiprocessing.context.BaseContext, function: object) -> list[object]:
    """Let an executor's only worker die after a task that was fine."""
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        pid = pool.submit(fine).result()
        try:
            pool.submit(function).result()  # type: ignore[arg-type]
        except BrokenProcessPool:
            pass
    return [pid, function.__name__]  # type: ignore[attr-defined]


def in_pool(context: multiprocessing.context.BaseContext, function: object) -> list[object]:
    """Let a Pool's only worker die; the pool starts another one."""
    with context.Pool(1) as pool:
        pid = pool.apply(fine)
        first = pool._pool[0]  # type: ignore[attr-defined]
        pool.apply_async(function)  # type: ignore[arg-type]
        first.join()
        pool.apply(fine)
        pool.close()
        # The task that died is still waited for, so the pool is not joined.
        pool.terminate()
    return [pid, function.__name__]  # type: ignore[attr-defined]


if __name__ == "__main__":
    method = multiprocessing.get_context(sys.argv[1])
    dead = [in_executor(method, function) for function in (kill, leave, crash)]
    dead += [in_pool(method, function) for function in (kill, leave, crash)]
    print(json.dumps(dead))
