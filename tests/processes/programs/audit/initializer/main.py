"""The initializer hands over everything but the units."""

import multiprocessing
import sys

import convert


def set_up(options):
    convert.configure(options)
    convert.ready.set()


if __name__ == "__main__":
    set_up({"digits": 1})
    convert.UNITS["mi"] = 1609
    context = multiprocessing.get_context(sys.argv[1])
    with context.Pool(1, set_up, ({"digits": 1},)) as pool:
        print(pool.map(convert.metres, ["km", "mi"]))
