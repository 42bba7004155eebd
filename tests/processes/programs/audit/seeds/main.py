"""The parent seeds Python's generator; a task draws from it, another from its own."""

import multiprocessing
import random
import sys


def draw(number):
    return random.random()


def own(number):
    return random.Random(number).random()


if __name__ == "__main__":
    random.seed(5)
    with multiprocessing.get_context(sys.argv[1]).Pool(1) as pool:
        print(pool.map({"draw": draw, "own": own}[sys.argv[2]], range(2)))
