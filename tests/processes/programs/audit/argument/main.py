"""A method of the task's argument reads a setting; circles are not used."""

import functools
import multiprocessing
import sys

import shapes


def describe(prefix, shape):
    return prefix + shape.area()


if __name__ == "__main__":
    shapes.UNIT = "m2"
    shapes.Circle.PI = 3
    with multiprocessing.get_context(sys.argv[1]).Pool(1) as pool:
        print(pool.map(functools.partial(describe, "area: "), [shapes.Square(2)]))
