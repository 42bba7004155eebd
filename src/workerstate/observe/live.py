"""Live objects among the globals of the program that a forked process has from its maker.

A fork server imports the main module once (Python 3.13.8, 3.14.1 and later): its random
generators, sockets, temporary directories and threads are then one for all workers. Named here
are only objects whose sharing can be told: by a generator's state, a socket's inode, a path.
"""

from __future__ import annotations

import os
import sys

from workerstate.fingerprint import digest
from workerstate.program import user_modules

MOST_OBJECTS = 5000  # followed below one global

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    Found = dict[str, list[Any]]


def objects() -> Found:
    """Give ``module.NAME`` -> [kind, mark, more] for each live object of the program's modules."""
    found: Found = {}
    for module, namespace in user_modules().items():
        for name, value in list(namespace.items()):
            row = _object(value)
            if row is not None and type(name) is str:
                found[f"{module}.{name}"] = row
    found.update(global_generators())
    return found


def generators(names: list[str]) -> Found:
    """Read again the random generators among ``names``."""
    modules = user_modules()
    found: Found = {}
    for full in names:
        module, _, name = full.rpartition(".")
        value = modules.get(module, {}).get(name)
        row = _generator(value)
        if row is not None:
            found[full] = row
    found.update(global_generators())
    return found


def thread_names() -> list[str]:
    """Give the names of the threads other than the main one."""
    module = sys.modules.get("threading")
    if module is None:
        return []
    return [t.name for t in module.enumerate() if t is not module.main_thread()]


def open_sockets() -> frozenset[int]:
    """Give the inodes of the sockets that this process has open (Linux; elsewhere none)."""
    if "socket" not in sys.modules:
        return frozenset()
    out = set()
    try:
        for number in os.listdir("/proc/self/fd"):
            target = os.readlink(f"/proc/self/fd/{number}")
            if target.startswith("socket:["):
                out.add(int(target[8:-1]))
    except OSError:
        pass
    return frozenset(out)


def connections(names: list[str], before: frozenset[int]) -> dict[str, str]:
    """Say which of those globals hold, however deep, a TCP connection of ``before``.

    The objects are followed as the garbage collector follows them, so no code of theirs runs.
    """
    modules, out = user_modules(), {}
    for full in names:
        module, _, name = full.rpartition(".")
        value = modules.get(module, {}).get(name)
        found = _connection_below(value, before)
        if found is not None:
            out[full] = found
    return out


def _connection_below(value: Any, before: frozenset[int]) -> str | None:
    import gc

    seen, todo = {id(value)}, [value]
    while todo and len(seen) < MOST_OBJECTS:
        each = todo.pop()
        kind = type(each)
        if issubclass(kind, sys.modules["socket"].socket):
            peer = _inherited_peer(each, before)
            if peer is not None:
                return peer
        # Classes, modules and functions lead to everything.
        if issubclass(kind, type) or kind.__name__ in ("module", "function", "code", "frame"):
            continue
        for held in gc.get_referents(each):
            if id(held) not in seen:
                seen.add(id(held))
                todo.append(held)
    return None


def _inherited_peer(connection: Any, before: frozenset[int]) -> str | None:
    """Name the family of a connection that was open before the fork; None for any other."""
    base = sys.modules["socket"].socket
    number = base.fileno(connection)
    if number < 0 or os.fstat(number).st_ino not in before:
        return None
    if base.family.__get__(connection) not in (2, 10):  # AF_INET, AF_INET6 on Linux
        return None
    try:
        base.getpeername(connection)
    except OSError:
        return None
    return "TCP connection"


def files(names: Iterable[str]) -> dict[str, str]:
    """Give the source file of each module that has one of the objects."""
    modules = user_modules()
    out = {}
    for full in names:
        module = full.rpartition(".")[0]
        path = modules.get(module, {}).get("__file__")
        if type(path) is str:
            out[module] = path
    return out


def global_generators() -> Found:
    """Read numpy's global generator, if it has come into being.

    The one of ``random`` is left out: Python seeds it anew in each forked process.
    """
    module = sys.modules.get("numpy.random.mtrand")
    state = getattr(module, "_rand", None)
    row = _generator(state)
    return {} if row is None else {"numpy.random": row}


def _object(value: Any) -> list[Any] | None:
    kind = type(value)
    module = getattr(kind, "__module__", None)
    if module == "socket":
        return _socket(value)
    if module == "tempfile" and kind.__name__ == "TemporaryDirectory":
        return ["temporary directory", digest(value.name), None]
    if module == "threading" and kind.__name__ in ("Thread", "Timer"):
        return ["thread", None, bool(value.is_alive())]
    if module == "_thread" and kind.__name__ == "lock":
        return ["lock", None, bool(value.locked())]
    return _generator(value)


def _socket(value: Any) -> list[Any] | None:
    number = value.fileno()
    return None if number < 0 else ["socket", os.fstat(number).st_ino, None]


def _generator(value: Any) -> list[Any] | None:
    """Give a generator's stream (which drawing does not change for long) and place in it."""
    kind = type(value)
    module = getattr(kind, "__module__", "")
    if kind.__name__ == "Random" and module == "random":
        state = value.getstate()[1]
        # The hash of whole numbers is the same in every process.
        return ["random generator", hash(state[:-1]), state[-1]]
    if module.startswith("numpy.random"):
        if kind.__name__ == "RandomState":
            # Reading it must not bring the lazily made state of newer versions into being.
            bits = getattr(value, "_bit_generator", None)
        elif kind.__name__ == "Generator":
            bits = value.bit_generator
        else:
            return None
        return None if bits is None else _bits(bits.state)
    return None


def _bits(state: dict[str, Any]) -> list[Any] | None:
    inner = state["state"]
    if "key" in inner:
        return ["random generator", digest(inner["key"].tobytes()), int(inner["pos"])]
    if "inc" in inner:
        return ["random generator", str(inner["inc"]), digest(inner["state"])]
    return ["random generator", "", digest(repr(sorted(inner.items())))]
