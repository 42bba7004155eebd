"""Methods of a library's classes are replaced, which the tasks never name."""

import functools
import json
import multiprocessing
import sys
import textwrap

import own
import tasks


def default(self, value):
    return sorted(value)


split = textwrap.TextWrapper._split


@functools.wraps(split)
def shouted(self, text):
    return split(self, text.upper())


if __name__ == "__main__":
    wanted = {
        "dump": tasks.dump,
        "fill": tasks.fill,
        "partial": tasks.fill,
        "load": tasks.load,
        "own": own.dump,
    }
    task = wanted.get(sys.argv[2], tasks.dump)
    first = own.prepare if sys.argv[2] == "first" else None
    if sys.argv[2] == "partial":
        textwrap.TextWrapper.__init__ = functools.partialmethod(
            textwrap.TextWrapper.__init__, placeholder="", max_lines=1
        )
    elif sys.argv[2] != "own":
        json.JSONEncoder.default = default
        json.JSONEncoder.unknown = default
        textwrap.TextWrapper._split = shouted
    with multiprocessing.get_context(sys.argv[1]).Pool(1, first) as pool:
        print(pool.map(task, ["[1, 2]"]))
