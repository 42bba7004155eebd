"""Memory that processes share without a lock, made at import and below the guard."""

import multiprocessing
import sys

import counts


def work(number):
    try:
        total.value += number
    except NameError:
        return 0
    return counts.count(total.value)


if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    total = context.Value("i", 0, lock=False)
    with context.Pool(1) as pool:
        pool.map(work, [1, 2])
    print(total.value, counts.done.value, counts.LIMIT.value)
