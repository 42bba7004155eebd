import functools

from config import Config

_table = None
_memory = {}


def table():
    global _table
    if _table is None:
        _table = {name: len(name) for name in ("rome", "oslo")}
    return _table


@functools.lru_cache
def root(number):
    return number**0.5


def distance(name):
    if name not in _memory:
        _memory[name] = root(table()[name])
    return _memory[name] * Config.get().batch
