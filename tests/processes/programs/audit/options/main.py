"""Options of the command line go into globals of the main module."""

import multiprocessing
import sys

PREFIXES = ["build/"]
SUFFIXES = (".c", ".h")
SEEN = {}


def wanted(path):
    return path.endswith(SUFFIXES) and not path.startswith(tuple(PREFIXES))


if __name__ == "__main__":
    PREFIXES.append(".git/")
    SEEN["started"] = True
    with multiprocessing.get_context(sys.argv[1]).Pool(1) as pool:
        print(pool.map(wanted, ["a.c", ".git/a.c", "build/a.c"]))
