"""A class is asked for what its metaclass has, and for items."""

import multiprocessing
import sys

import rows

if __name__ == "__main__":
    if sys.argv[2] == "changed":
        rows.Table.shown["a"] = 2
        rows.Kind.level = 9
    rows.Kind.unasked = 5
    with multiprocessing.get_context(sys.argv[1]).Pool(1) as pool:
        print(pool.map(rows.read, [1]))
