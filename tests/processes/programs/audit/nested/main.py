"""The global is read behind a decorator, a table of handlers and a comprehension."""

import functools
import multiprocessing
import sys

RATES = {"EUR": 1}
DRY_RUN = False


def traced(function):
    @functools.wraps(function)
    def wrapper(*args):
        return function(*args)

    return wrapper


def convert(rows):
    return [amount * RATES.get(currency, 0) for currency, amount in rows]


HANDLERS = {"sum": lambda rows: sum(convert(rows)), "skip": lambda rows: None}


@traced
def handle(kind):
    return HANDLERS[kind]([("EUR", 2), ("USD", 4)])


if __name__ == "__main__":
    RATES["USD"] = 2
    DRY_RUN = True
    with multiprocessing.get_context(sys.argv[1]).Pool(1) as pool:
        print(pool.map(handle, ["sum", "skip"]))
