"""How values of well-known classes of the standard library and of numpy and pandas are read.

The tables are by name, so that nothing is imported to fill them; a name counts only for the very
class that the imported module has under it.
"""

from __future__ import annotations

import marshal

from workerstate.fingerprint.classes import attributes_of, imported, name_of, qualified
from workerstate.fingerprint.walk import LARGE, is_scalar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from workerstate.fingerprint.walk import Reader, Walk

    Names = tuple[str, str]

MOST_BYTES = 1_000_000  # of one array; beyond, it is sampled


def read_array(walk: Walk, value: Any) -> bytes:
    """Read a numpy array: its dtype, its shape, its content or, where large, a sample of it."""
    array = imported("numpy", "ndarray")
    dtype, shape, size = (
        getattr(array, name).__get__(value) for name in ("dtype", "shape", "size")
    )
    whole = size <= LARGE if dtype.hasobject else size * dtype.itemsize <= MOST_BYTES
    walk.partial = walk.partial or not whole
    content: object = None
    if dtype.hasobject:
        content = array.tolist(value) if whole else None
    elif whole:
        content = array.tobytes(value)
    else:
        content = array.flat.__get__(value)[:: size // LARGE + 1].tobytes()
    return walk.several("array", dtype, shape, content)


def read_numpy_scalar(walk: Walk, value: Any) -> bytes:
    """Read a numpy scalar: its dtype and its bytes."""
    scalar = imported("numpy", "generic")
    return walk.several("scalar", scalar.dtype.__get__(value), scalar.tobytes(value))


def read_dtype(walk: Walk, value: Any) -> bytes:
    """Read a numpy dtype: its code, and the fields of a structured one."""
    fields = [] if value.names is None else [(name, value.fields[name][0]) for name in value.names]
    return walk.several("dtype", value.str, fields)


def read_table(walk: Walk, value: Any) -> bytes:
    """Read a pandas Series or DataFrame: its axes and its blocks (arrays)."""
    manager = attributes_of(value).get("_mgr")
    if manager is None:
        return walk.unread(type(value))
    return walk.several(name_of(type(value)), list(manager.axes), list(manager.arrays))


def read_index(walk: Walk, value: Any) -> bytes:
    """Read a pandas index: its names and its labels."""
    state = attributes_of(value)
    return walk.several(name_of(type(value)), state.get("_name"), state.get("_data", state))


def read_path(walk: Walk, value: Any) -> bytes:
    """Read a path of the standard library's classes as its text."""
    if qualified(type(value))[0].partition(".")[0] != "pathlib":
        return walk.unread(type(value))
    return walk.named(qualified(type(value))[1], str(value))


def read_file(walk: Walk, value: Any) -> bytes:
    """Read a file object: its kind and, where nothing but C code answers, its name."""
    for name in ("StringIO", "BytesIO"):
        memory = imported("_io", name)
        if issubclass(type(value), memory):
            return walk.several(name, "closed" if value.closed else memory.getvalue(value))
    return walk.unread(type(value), str(file_name(value)))


def file_name(value: Any) -> object:
    """Give the name of a file object, looking for it only through classes written in C."""
    for outer, inner in (
        ("TextIOWrapper", "buffer"),
        ("BufferedWriter", "raw"),
        ("BufferedReader", "raw"),
        ("BufferedRandom", "raw"),
    ):
        if type(value) is imported("_io", outer):
            value = getattr(value, inner)
    return value.name if type(value) is imported("_io", "FileIO") else None


def read_logger(walk: Walk, value: Any) -> bytes:
    """Read a logger: its name stands for it; the logging facet knows its state."""
    return walk.named("logger", str(attributes_of(value).get("name")))


def read_thread(walk: Walk, value: Any) -> bytes:
    """Read a thread: its class and its name."""
    return walk.unread(type(value), str(attributes_of(value).get("_name")))


def read_generator(walk: Walk, value: Any) -> bytes:
    """Read the state of a random generator (all integers), without drawing from it."""
    state = imported("_random", "Random").getstate(value)
    return walk.made("generator", [marshal.dumps(state, 2)])


def read_type_only(walk: Walk, value: Any) -> bytes:
    """Name the type of what holds no content of its own, or none that can be looked into."""
    return walk.unread(type(value))


def read_order(walk: Walk, value: Any) -> bytes:
    """Read the order of an OrderedDict's keys, but not of the program's own: it would hash them."""
    keys = list(dict.keys(value))
    if len(keys) > LARGE or not all(map(is_scalar, keys)):
        return walk.unread(type(value))
    return walk.sequence("order", list(imported("collections", "OrderedDict").__iter__(value)))


def read_cache(walk: Walk, value: Any) -> bytes:
    """Read how many results a function keeps (functools.lru_cache); those can't be seen."""
    info = imported("functools", "_lru_cache_wrapper").cache_info(value)
    walk.partial = walk.partial or info.currsize > 0
    return walk.several("cache", info.maxsize, info.currsize)


# These stand for all that an instance is: its own dictionary is not read.
WHOLE_READERS: dict[Names, Reader] = {
    ("_io", "_IOBase"): read_file,
    ("_thread", "_local"): read_type_only,
    ("logging", "Handler"): read_type_only,
    ("logging", "Logger"): read_logger,
    ("logging", "Manager"): read_type_only,
    ("numpy", "dtype"): read_dtype,
    ("pandas.core.generic", "NDFrame"): read_table,
    ("pandas.core.indexes.base", "Index"): read_index,
    ("pathlib", "PurePath"): read_path,
    ("pathlib._local", "PurePath"): read_path,
    ("random", "SystemRandom"): read_type_only,
    ("threading", "Thread"): read_thread,
}

# These read what a class in C keeps; the instance's own dictionary and slots come besides.
BASE_READERS: dict[Names, Reader] = {
    ("_random", "Random"): read_generator,
    ("array", "array"): lambda walk, value: walk.several(
        "array", value.typecode, imported("array", "array").tobytes(value)
    ),
    ("collections", "OrderedDict"): read_order,
    ("collections", "deque"): lambda walk, value: walk.sequence(
        "deque", list(imported("collections", "deque").__iter__(value))
    ),
    ("datetime", "timezone"): lambda walk, value: walk.several(
        "timezone", *imported("datetime", "timezone").__getinitargs__(value)
    ),
    ("decimal", "Decimal"): lambda walk, value: walk.several(
        "decimal", *imported("decimal", "Decimal").as_tuple(value)
    ),
    ("functools", "_lru_cache_wrapper"): read_cache,
    ("numpy", "generic"): read_numpy_scalar,
    ("numpy", "ndarray"): read_array,
}

_TIME = ("hour", "minute", "second", "microsecond", "tzinfo", "fold")

# These classes keep all they are in attributes.
FIELDS: dict[Names, tuple[str, ...]] = {
    ("collections", "defaultdict"): ("default_factory",),
    ("datetime", "date"): ("year", "month", "day"),
    ("datetime", "datetime"): _TIME,
    ("datetime", "time"): _TIME,
    ("datetime", "timedelta"): ("days", "seconds", "microseconds"),
    ("datetime", "tzinfo"): (),
    ("types", "SimpleNamespace"): (),
    ("functools", "partial"): ("func", "args", "keywords"),
    ("numpy.random._generator", "Generator"): ("bit_generator",),
    ("numpy.random._mt19937", "MT19937"): ("state",),
    ("numpy.random._pcg64", "PCG64"): ("state",),
    ("numpy.random._pcg64", "PCG64DXSM"): ("state",),
    ("numpy.random._philox", "Philox"): ("state",),
    ("numpy.random._sfc64", "SFC64"): ("state",),
    ("numpy.random.bit_generator", "BitGenerator"): (),
    ("numpy.random.bit_generator", "SeedSequence"): ("state",),
    ("numpy.random.mtrand", "RandomState"): ("_bit_generator",),
    ("re", "Pattern"): ("pattern", "flags"),
    ("zoneinfo", "ZoneInfo"): ("key",),
}
