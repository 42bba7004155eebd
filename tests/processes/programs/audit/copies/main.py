"""Of two settings that are changed the task reads one, and an old copy of the other."""

import multiprocessing
import sys

import conf
import work

if __name__ == "__main__":
    conf.LIMIT = 99
    conf.UNIT = "ms"
    with multiprocessing.get_context(sys.argv[1]).Pool(1) as pool:
        print(pool.map(work.label, [1, 20]))
