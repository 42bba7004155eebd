"""Settings of libraries: a task that can notice them, and one that can't."""

import contextvars
import decimal
import logging
import multiprocessing
import sys
import warnings

request = contextvars.ContextVar("request", default="-")
user = contextvars.ContextVar("user", default="-")


def count(number):
    return number * number


def price(amount):
    try:
        warnings.warn("old", UserWarning, stacklevel=1)
    except UserWarning:
        return str(decimal.Decimal(amount) / 3), request.get()


if __name__ == "__main__":
    decimal.getcontext().prec = 6
    logging.getLogger().setLevel(logging.DEBUG)
    warnings.simplefilter("error")
    request.set("r-1")
    user.set("ada")
    with multiprocessing.get_context(sys.argv[1]).Pool(1) as pool:
        print(pool.map({"count": count, "price": price}[sys.argv[2]], [1, 2]))
