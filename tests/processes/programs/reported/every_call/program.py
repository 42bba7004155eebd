"""Every way of calling a pool, with fresh workers all the time; nothing is wrong."""

import math
import multiprocessing as mp
import os
from dataclasses import dataclass
from typing import NamedTuple

START = os.environ.get("START", "fork")


class Point(NamedTuple):
    x: int
    y: int


@dataclass(frozen=True)
class Job:
    name: str
    weights: tuple = (1, 2)


def norm(p):
    return p.x * p.y


def add(a, b=0):
    return a + b


def weigh(job):
    return sum(job.weights)


if __name__ == "__main__":
    got = []
    with mp.get_context(START).Pool(2, maxtasksperchild=2) as pool:
        got += pool.map(norm, [Point(1, 2), Point(3, 4)])
        got += pool.starmap(add, [(1, 2), (3, 4)])
        got += sorted(pool.imap_unordered(weigh, [Job("a"), Job("b", (5,))]))
        got += list(pool.imap(math.sqrt, [4, 9]))
        got += [pool.apply_async(add, (1,), {"b": 5}).get(), pool.apply(add, (2,))]
        r = pool.map_async(add, range(3))
        got += r.get()
    want = [2, 12, 3, 7, 3, 5, 2.0, 3.0, 6, 2, 0, 1, 2]
    print(f"RESULT: {'OK' if got == want else 'BAD'} {got}")
