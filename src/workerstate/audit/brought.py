"""What a task brings along: copies of what is known by its identity, and what can't be pickled.

Found by the types of things: no code of the program's runs, so what a ``__reduce__`` refuses is
not found.
"""

from __future__ import annotations

from workerstate.audit.known import ABSENT, MethodType
from workerstate.audit.lookups import attributes, contents, home_of
from workerstate.audit.shapes import resolve
from workerstate.fingerprint.classes import (
    FunctionType,
    imported,
    mro_of,
    name_of,
    namespace_of,
    plain_module,
    qualified,
)
from workerstate.program import user_modules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from workerstate.audit.reach import Reach


def arguments(unit: Any, reach: Reach) -> dict[str, Any]:
    """Say which objects, known by their identity, go as copies, and what can't be sent."""
    function, args, named = unit
    by_id: dict[int, str] = {}
    for root in reach.identity:
        value = resolve(root, ())
        if value is not ABSENT and _known_by_identity(value):
            by_id[id(value)] = root
    copied = []
    for value in _flat([*args, *named.values(), owner_of(function)], 3):
        if id(value) in by_id:
            copied.append(by_id[id(value)])
    return {"copied": sorted(set(copied)), "unsendable": unsendable(function, args, named)}


def owner_of(function: Any) -> Any:
    """Give the object that a method is bound to, else None."""
    return function.__self__ if type(function) is MethodType else None


def _known_by_identity(value: Any) -> bool:
    kind = type(value)
    if issubclass(kind, (type, FunctionType, bool, int, str)) or value is None:
        return False
    if issubclass(type(kind), imported("enum", "EnumMeta") or ()):
        return False
    if any("__reduce__" in namespace_of(base) for base in mro_of(kind) if base is not object):
        return False
    return kind is object or qualified(kind)[0] in user_modules()


def _flat(values: Iterable[Any], depth: int) -> Iterator[Any]:
    for value in list(values)[:50]:
        yield value
        if depth:
            yield from _flat(list(contents(value, 50)), depth - 1)
            if qualified(type(value))[0] in user_modules():
                yield from _flat(list(attributes(value).values()), depth - 1)


_MOST_HELD = 100

_UNSENDABLE = {
    *("_thread.lock", "_thread.RLock", "generator", "coroutine", "socket.socket", "module"),
    *("_io.TextIOWrapper", "_io.BufferedReader", "_io.BufferedWriter", "sqlite3.Connection"),
    *("_thread._local", "tempfile.TemporaryDirectory", "mmap.mmap", "subprocess.Popen"),
    *("threading.Thread", "frame", "threading.Condition", "threading.Event", "_io.FileIO"),
}


def fixed(reach: Reach) -> list[str]:
    """Give the names of what can't be sent to a worker at all: locks, threads, open files."""
    found = []
    for root in reach.names:
        rows: list[list[str]] = []
        value = resolve(root, ())
        # Of a threading.local, what it holds in this thread is carried.
        local = type(value) is imported("_thread", "_local")
        for held in attributes(value).values() if local else (value,):
            _refused("", held, 2, rows)
        if any(kind != "function" for _, _, kind in rows):
            found.append(root)
    return found


def modules_behind(reach: Reach) -> dict[str, list[str]]:
    """Give, for each name, the modules of the program whose code is in what goes by it."""
    modules = user_modules()
    found = {}
    for root in reach.names:
        value = resolve(root, ())
        homes = {_home_of_code(each) for each in (value, *contents(value, _MOST_HELD))}
        own = sorted(home for home in homes if home in modules and home != "__main__")
        if own:
            found[root] = own
    return found


def _home_of_code(value: Any) -> str:
    kind = type(value)
    if kind is FunctionType:
        return plain_module(value.__module__)
    return qualified(value if issubclass(kind, type) else kind)[0]


def unsendable(function: Any, args: Any, named: Any) -> list[list[str]]:
    """Give what pickle refuses of a process's target and arguments: the way to it, and what it is.

    Found by type alone: no code of the program's runs, so what a ``__reduce__`` refuses is not.
    """
    rows: list[list[str]] = []
    _refused("target", function, 3, rows)
    for number, value in enumerate(args):
        _refused(f"args[{number}]", value, 3, rows)
    for key, value in named.items():
        _refused(f"kwargs[{key!r}]", value, 3, rows)
    return rows[:5]


def _refused(way: str, value: Any, depth: int, rows: list[list[str]]) -> None:
    kind = type(value)
    if kind is FunctionType:
        if home_of(value) is None:
            rows.append([way, f"{value.__module__}.{value.__qualname__}", "function"])
        return
    if name_of(kind) in _UNSENDABLE:
        rows.append([way, f"a {name_of(kind)}", name_of(kind)])
        return
    if not depth:
        return
    if kind is MethodType:
        _refused(f"{way}.__self__", value.__self__, depth - 1, rows)
    elif kind is imported("functools", "partial"):
        _refused(f"{way}.func", value.func, depth - 1, rows)
        for number, held in enumerate(value.args):
            _refused(f"{way}.args[{number}]", held, depth - 1, rows)
    elif qualified(kind)[0] in user_modules() and not pickles_itself(kind):
        for key, held in list(attributes(value).items())[:50]:
            _refused(f"{way}.{key}", held, depth - 1, rows)
    else:
        for number, held in enumerate(list(contents(value, 20))):
            _refused(f"{way}[{number}]", held, depth - 1, rows)


def pickles_itself(cls: type) -> bool:
    """Tell whether a class says itself how it is pickled."""
    own = ("__reduce__", "__reduce_ex__", "__getstate__")
    bases = [base for base in mro_of(cls) if qualified(base)[0] != "builtins"]
    process = imported("multiprocessing.process", "BaseProcess")
    if process is not None and issubclass(cls, process):
        return True
    return any(name in namespace_of(base) for base in bases for name in own)
