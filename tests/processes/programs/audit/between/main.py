"""Tasks are submitted one by one from the same line, and a global is set in between."""

import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor

epoch = 0
done = 0


def augment(value):
    return value + epoch


def plain(value):
    return value


if __name__ == "__main__":
    method, kind = sys.argv[1:]
    context = multiprocessing.get_context(method)
    task = augment if kind.startswith("set") else plain
    if kind == "set by apply":
        with context.Pool(1) as pool:
            for now in (0, 0, 1):
                epoch = now
                print(pool.apply(task, (1,)))
    else:
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            for now in (0, 0, 1):
                epoch = now
                print(pool.submit(task, 1).result())
                done += 1
