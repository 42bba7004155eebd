"""What main makes under its guard is a global of the tasks."""

import argparse
import collections
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor

HEADER = "name size"


def weigh(row):
    return row.size * args.scale


if __name__ == "__main__":
    args = argparse.Namespace(scale=3)
    Row = collections.namedtuple("Row", HEADER)
    with ProcessPoolExecutor(1, multiprocessing.get_context(sys.argv[1])) as pool:
        try:
            print(list(pool.map(weigh, [Row("a", 1)])))
        except Exception as error:
            print(type(error).__name__)
