"""A logger's method made in main is missing in workers; the error is swallowed, NaN comes back."""

import logging
import math
import multiprocessing as mp
import os
import sys
from concurrent.futures import ProcessPoolExecutor

START = os.environ.get("START", "fork")

LOG = logging.getLogger("disruption")


def setup():
    logging.addLevelName(15, "SUCCESS")

    def success(self, msg, *args):
        if self.isEnabledFor(15):
            self._log(15, msg, args)

    logging.Logger.success = success
    logging.basicConfig(level=15, stream=sys.stderr)


def compute(shot):
    try:
        value = shot * 1.5
        LOG.success("shot %d done", shot)
        return value
    except Exception:
        return math.nan


def make_pool(n):
    if START == "loky":
        from loky import get_reusable_executor

        return get_reusable_executor(max_workers=n)
    return ProcessPoolExecutor(n, mp_context=mp.get_context(START))


if __name__ == "__main__":
    setup()
    with make_pool(2) as pool:
        out = list(pool.map(compute, range(4)))
    bad = sum(map(math.isnan, out))
    print(f"RESULT: {'BAD' if bad else 'OK'} {bad} of 4 shots are NaN")
