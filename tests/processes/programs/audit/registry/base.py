from typing import ClassVar

FILTERS = {}
ALIASES = {"up": "upper"}


class Filter:
    kinds: ClassVar[dict[str, type]] = {}
    order = 1

    def __init_subclass__(cls):
        Filter.kinds[cls.__name__] = cls


def register(name):
    def keep(function):
        FILTERS[name] = function
        return function

    return keep
