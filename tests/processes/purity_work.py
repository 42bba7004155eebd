"""What the tests of purity run; the results of some depend on what ran before."""

from __future__ import annotations

import decimal
import random
import threading
import time

import workerstate

CACHE = {}


class Opaque:
    """Equal to nothing but itself, and never pickled alike."""

    def __init__(self):
        self.made = time.perf_counter_ns()

    def __reduce__(self):
        return Opaque, ()


def remembers(item):
    CACHE[item] = True
    return len(CACHE)


def divides(item):
    result = decimal.Decimal(1) / 3
    if item % 2:
        decimal.getcontext().prec = 7
    return result


def doubles(item):
    return item * 2


def not_a_number(item):
    return [float("nan"), -0.0, item]


def asks_the_clock(_item):
    return time.perf_counter_ns()


def draws(_item):
    return random.random(), workerstate.stdlib_rng().random()


def fails(item):
    raise LookupError(item)


def fails_when_used(item):
    CACHE[item] = True
    if len(CACHE) > 1:
        raise LookupError("not the first")
    return item


def locks(_item):
    return threading.Lock()


def array(item):
    import numpy

    return numpy.full(50_000, float("nan")) * item


def used_array(item):
    import numpy

    CACHE[item] = True
    values = numpy.zeros(50_000)
    values[31_234] = len(CACHE)
    return values


def frame(item):
    import pandas

    return pandas.DataFrame({"number": [item, None], "word": ["a", float("nan")]})
