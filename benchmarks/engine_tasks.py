"""What the workers of ``engine.py`` run. It imports nothing, so that it costs no peer anything."""

HEAVY = ("numpy", "pandas", "sklearn.ensemble")


def load():
    """Import what a heavy task needs, unless that has been done."""
    for name in HEAVY:
        __import__(name)


def heavy(number):
    """Be a task that needs the heavy modules."""
    load()
    return number


def nothing(number):
    """Be a task that does nothing."""
    return number


def plus(array):
    """Give an array as big as the one that came."""
    return array + 1.0


def who(seconds):
    """Give the process, after a moment in which others get their task."""
    import os
    import time

    load()
    time.sleep(seconds)
    return os.getpid()


def fork_loop(count):
    """Fork, end and wait, that many times; nothing else could be less."""
    import os

    for _ in range(count):
        child = os.fork()
        if not child:
            os._exit(0)
        os.waitpid(child, 0)


def big():
    """Open a resource of 200 MB."""
    import numpy

    return numpy.ones(25_000_000)


def total(number):
    """Read all of the resource."""
    from workerstate import resource

    return float(resource("big").sum()) + number
