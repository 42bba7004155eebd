"""Warnings are turned into errors in main; workers compute on with bad data."""

import multiprocessing as mp
import os
import warnings
from concurrent.futures import ProcessPoolExecutor

START = os.environ.get("START", "fork")


def ratio(x):
    try:
        if x == 0:
            warnings.warn("division by zero replaced by 0", RuntimeWarning, stacklevel=1)
            return 0.0
        return 1 / x
    except RuntimeWarning:
        return None


def make_pool(n):
    if START == "loky":
        from loky import get_reusable_executor

        return get_reusable_executor(max_workers=n)
    return ProcessPoolExecutor(n, mp_context=mp.get_context(START))


if __name__ == "__main__":
    warnings.filterwarnings("error", category=RuntimeWarning)
    with make_pool(2) as pool:
        out = list(pool.map(ratio, [1, 0, 2]))
    print(f"RESULT: {'OK' if out == [1.0, None, 0.5] else 'BAD'} {out}")
