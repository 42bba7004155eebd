"""What a task's code can read, and what it does read: by the lines that are run."""

import functools
import multiprocessing
import sys

import limits

TASKS = {
    "given": functools.partial(limits.check, limit=5),
    "asked": limits.check,
    "set": limits.number,
    "kept": limits.number_or_not,
    "counted": limits.serve,
    "numbered": limits.serve_in_turn,
}


def outcome(function, *args):
    try:
        return function(*args)
    except ValueError as error:
        return str(error)


if __name__ == "__main__":
    method, kind = sys.argv[1:]
    limits.LIMIT = 4
    limits.CURRENT = 7
    limits.SERVED = 2
    with multiprocessing.get_context(method).Pool(1) as pool:
        if kind == "raised":
            print(outcome(pool.apply, limits.refuse, (-1,)))
        else:
            print(pool.map(TASKS[kind], [2, 5]))
