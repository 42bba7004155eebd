"""A function is made to know one more class, by the parent alone or by each import."""

import multiprocessing
import sys

import shapes


def circle(value):
    return "a circle"


@shapes.show.register
def square(value: shapes.Square):
    return "a square"


if __name__ == "__main__":
    if "own" not in sys.argv:
        shapes.show.register(shapes.Circle, circle)
    with multiprocessing.get_context(sys.argv[1]).Pool(1) as pool:
        print(pool.map(shapes.describe, [shapes.Circle(), shapes.Square()]))
