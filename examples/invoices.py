"""A program that relies on fork: what main sets is read by the tasks."""

import decimal
import multiprocessing as mp

OPTIONS = {"currency": "EUR", "discount": 0}
FORMATS = {}


def register(name):
    def keep(function):
        FORMATS[name] = function
        return function

    return keep


@register("plain")
def plain(amount):
    return f"{amount} {OPTIONS['currency']}"


def total(amount):
    """Give one invoice's line, as the options say."""
    net = decimal.Decimal(amount) * (100 - OPTIONS["discount"]) / 100 / 3
    return FORMATS["plain"](net)


if __name__ == "__main__":
    OPTIONS["discount"] = 20
    decimal.getcontext().prec = 6
    with mp.get_context("fork").Pool(2) as pool:
        print(pool.map(total, ["100", "250"]))
