"""A request id in a ContextVar is its default in workers."""

import contextvars
import multiprocessing as mp
import os
from concurrent.futures import ProcessPoolExecutor

START = os.environ.get("START", "fork")

REQUEST = contextvars.ContextVar("request", default="-")


def handle(i):
    return f"{REQUEST.get()}:{i}"


def make_pool(n):
    if START == "loky":
        from loky import get_reusable_executor

        return get_reusable_executor(max_workers=n)
    return ProcessPoolExecutor(n, mp_context=mp.get_context(START))


if __name__ == "__main__":
    REQUEST.set("req-7")
    with make_pool(2) as pool:
        out = list(pool.map(handle, range(2)))
    print(f"RESULT: {'OK' if out == ['req-7:0', 'req-7:1'] else 'BAD'} {out}")
