"""A sentinel and a member of an enumeration are compared by identity."""

import enum
import multiprocessing
import sys

import options


class Mode(enum.Enum):
    FAST = 1


def run(value, mode, queue):
    queue.put((value is options.MISSING, mode is Mode.FAST))


if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    queue = context.Queue()
    process = context.Process(target=run, args=(options.MISSING, Mode.FAST, queue))
    process.start()
    print(queue.get())
    process.join()
