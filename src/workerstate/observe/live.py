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

TYPE_CHECKING = False
if TYPE_CHECKING:
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


def files(found: Found) -> dict[str, str]:
    """Give the source file of each module that has one of the objects."""
    modules = user_modules()
    out = {}
    for full in found:
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
        return ["random generator", digest(state[:-1]), state[-1]]
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
