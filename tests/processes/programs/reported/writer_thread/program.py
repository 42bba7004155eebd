"""A background writer thread exists in the parent only; forked workers queue for nobody."""

import multiprocessing as mp
import os

import metrics

START = os.environ.get("START", "fork")


def work(i):
    metrics.record(i)
    return metrics.flush()


if __name__ == "__main__":
    metrics.record("start")
    metrics.flush()
    with mp.get_context(START).Pool(2) as pool:
        out = pool.map(work, range(4))
    print(f"RESULT: {'OK' if all(out) else 'BAD'} flushed {sum(out)} of 4")
