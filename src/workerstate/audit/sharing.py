"""What a forked worker would wrongly share with its parent, of what a task can read.

Looked at are the objects themselves, as the garbage collector follows them: no code of theirs
runs. What counts is the moment of the fork, which for a pool comes before its tasks are known.
"""

from __future__ import annotations

import os
import sys

from workerstate.audit.known import ABSENT, TESTED
from workerstate.audit.lookups import attributes
from workerstate.audit.reach import Reach
from workerstate.audit.shapes import has_own_pid, kind_of, module_of, resolve
from workerstate.fingerprint.classes import (
    FunctionType,
    attributes_of,
    imported,
    module_namespace,
    mro_of,
    name_of,
    namespace_of,
    qualified,
)
from workerstate.observe import live
from workerstate.program import user_modules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MOST_THREADS = 8
_LOCKS = ("_thread.lock", "_thread.RLock")
# Classes written in C that hold a connection of their own.
_CONNECTIONS = {
    "sqlite3.Connection": "SQLite connection",
    "psycopg2.extensions.connection": "PostgreSQL connection",
    "h5py._hl.files.File": "HDF5 file",
}
_LIBRARY_THREADS = ("multiprocessing", "concurrent", "threading", "asyncio", "joblib", "loky")
# Started threads -> where: module, path, line.
_started: dict[int, tuple[str, str, int]] = {}


class Before:
    """What there was just before the last launch of a worker."""

    def __init__(self) -> None:
        self.sockets = live.open_sockets()
        self.held = {id(lock) for lock in _locks() if lock.locked()}
        self.threads = _threads()
        self.files = _open_files()
        self.pending: dict[int, int] = {}


def before_fork() -> Before:
    """Look at this process as a fork would copy it now."""
    return Before()


def watch_threads() -> None:
    """Note who starts threads: each, when started, is put into a table of the threading module."""
    import threading

    class Table(dict):  # type: ignore[type-arg]
        def __setitem__(self, thread: Any, value: Any) -> None:
            dict.__setitem__(self, thread, value)
            frame = sys._getframe(2)
            while frame is not None and frame.f_globals.get("__name__") == "threading":
                frame = frame.f_back  # type: ignore[assignment]
            if frame is not None:
                where = (str(frame.f_globals.get("__name__")), frame.f_code.co_filename)
                _started[id(thread)] = (*where, frame.f_lineno)

    module: Any = threading
    module._limbo = Table(module._limbo)


def found(reach: Reach, before: Before | None, *, seeded: bool = False) -> list[dict[str, Any]]:
    """Give one row for each thing that is read and that a fork would share or break.

    ``seeded`` says that the process seeds the libraries' generators itself.
    """
    before = before or Before()
    rows: list[dict[str, Any]] = []
    users = _users_of(before.threads)
    for root, chains in reach.names.items():
        for chain in chains:
            if chain[-1:] == (TESTED,):
                continue  # asked whether it is there, and no more
            value = resolve(root, chain)
            if value is ABSENT or value is None:
                continue
            what = _what(value, root, before, users)
            if what is not None:
                rows.append({"root": root, "what": what[0], "text": what[1], "more": what[2:]})
                break
    return rows + _of_libraries(reach, seeded) + _threads_that(rows, before, users)


def _what(value: Any, root: str, before: Before, users: dict[str, list[Any]]) -> Any:
    kind = type(value)
    name = name_of(kind)
    if name in _LOCKS or name in ("threading.Condition",):
        using = users.get(root)
        if id(value) in before.held or using:
            return ("lock", "held" if id(value) in before.held else "taken by a thread")
        return None
    if kind_of(value) == "random":
        return ("random", f"a {name}")
    if name in ("threading.Thread", "threading.Timer"):
        alive = any(thread is value for thread in before.threads)
        return ("thread", "running") if alive else None
    if name == "concurrent.futures.thread.ThreadPoolExecutor":
        running = [t for t in attributes_of(value).get("_threads", ()) if t.is_alive()]
        return ("thread", f"{len(running)} threads") if running else None
    if any(name_of(base) == "asyncio.base_events.BaseEventLoop" for base in mro_of(kind)):
        return ("loop", f"a {name}")
    return _open_thing(value, before)


def _open_thing(value: Any, before: Before) -> Any:
    """Say which connection or file an object holds that was open before the fork."""
    if before.sockets:
        connection = live._connection_below(value, before.sockets)
        if connection is not None:
            return ("connection", connection)
    for each in _below(value):
        if id(each) in before.pending:
            return ("unflushed", f"{before.pending[id(each)]} bytes that are not written yet")
        name = name_of(type(each))
        if name in _CONNECTIONS:
            return ("connection", _CONNECTIONS[name])
        is_file = issubclass(type(each), imported("_io", "FileIO") or ())
        if is_file and not each.closed and _is_file(each, before):
            return ("file", f"{os.path.basename(str(each.name))} at {_offset(each)}")
    return None


def _below(value: Any, most: int = 300) -> Any:
    """Give what an object holds, as the garbage collector sees it."""
    import gc

    seen, todo = {id(value)}, [value]
    while todo and len(seen) < most:
        each = todo.pop()
        kind = type(each)
        yield each
        if issubclass(kind, type) or kind.__name__ in ("module", "function", "code", "frame"):
            continue
        if qualified(kind)[0].startswith("logging"):
            continue  # a log file is opened for appending
        for held in gc.get_referents(each):
            if id(held) not in seen:
                seen.add(id(held))
                todo.append(held)


def _open_files() -> set[tuple[int, int]]:
    found = set()
    try:
        for number in os.listdir("/proc/self/fd"):
            state = os.stat(f"/proc/self/fd/{number}")
            found.add((state.st_dev, state.st_ino))
    except OSError:
        pass
    return found


def _is_file(file: Any, before: Before) -> bool:
    """Tell whether it is a regular file with a position, open at the fork."""
    try:
        state = os.fstat(file.fileno())
    except OSError:
        return False
    return (state.st_dev, state.st_ino) in before.files and _is_positioned(file)


def _is_positioned(file: Any) -> bool:
    import stat

    appends = "a" in str(file.mode)
    regular = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
    return regular and not appends and file.fileno() > 2


def _offset(file: Any) -> int:
    try:
        return os.lseek(file.fileno(), 0, os.SEEK_CUR)
    except OSError:
        return 0


def _locks() -> list[Any]:
    """Give the locks among the program's globals and in the objects there."""
    found = []
    for namespace in user_modules().values():
        for value in list(namespace.values()):
            if name_of(type(value)) in _LOCKS:
                found.append(value)
            elif qualified(type(value))[0] in user_modules():
                found += [v for v in attributes(value).values() if name_of(type(v)) in _LOCKS]
    return [lock for lock in found if hasattr(lock, "locked")]


def _threads() -> list[Any]:
    """Give the threads of the program's own that run now."""
    module = module_namespace("threading")
    if module is None:
        return []
    main = module["_main_thread"]
    found = []
    for thread in list(module["_active"].values()):
        target = attributes_of(thread).get("_target")
        home = getattr(target, "__module__", None) or qualified(type(thread))[0]
        if thread is not main and str(home).partition(".")[0] not in _LIBRARY_THREADS:
            found.append(thread)
    return found


def _users_of(threads: list[Any]) -> dict[str, list[Any]]:
    """Give, for each name, the threads whose code reads it."""
    users: dict[str, list[Any]] = {}
    for thread in threads[:MOST_THREADS]:
        state = attributes_of(thread)
        target = state.get("_target") or namespace_of(type(thread)).get("run")
        if type(target) is FunctionType or hasattr(target, "__func__"):
            reach = Reach()
            reach.task(target, tuple(state.get("_args") or ()), dict(state.get("_kwargs") or {}))
            for root in reach.names:
                users.setdefault(root, []).append(thread)
    return users


def _threads_that(
    rows: list[dict[str, Any]], before: Before, users: dict[str, list[Any]]
) -> list[dict[str, Any]]:
    """Give the threads that hold, or may hold, one of the locks that were found."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row["what"] != "lock":
            continue
        for thread in users.get(row["root"], ()):
            target = attributes_of(thread).get("_target")
            label = f"{getattr(target, '__module__', '?')}.{getattr(target, '__qualname__', '?')}"
            module, path, line = _started.get(id(thread), (str(target.__module__), "", 0))
            name = f"thread started at {module} ({label})"
            where = f"{path}:{line}" if path else None
            found[name] = {
                "root": name,
                "what": "holder",
                "text": "running",
                "lock": row["root"],
                "where": where,
            }
    return list(found.values())


_NO_DRAWS = {f"numpy.random.{name}" for name in ("seed", "get_state", "set_state", "default_rng")}


def _of_libraries(reach: Reach, seeded: bool) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    called = [name for name in reach.calls if name.startswith("numpy.random.")]
    draws = [name for name in called if name.count(".") == 2 and name not in _NO_DRAWS]
    seeds = seeded or any(
        name in called for name in ("numpy.random.seed", "numpy.random.set_state")
    )
    if draws and not seeds and live.global_generators():
        row = {"root": "numpy:legacy generator", "what": "random", "text": "one state for all"}
        rows.append({**row, "where": str(reach.calls[draws[0]])})
    torch: Any = sys.modules.get("torch.cuda")
    if torch is not None and "torch" in reach.used and torch.is_initialized():
        rows.append({"root": "torch:cuda", "what": "runtime", "text": "initialised"})
    return rows


_MADE_ONCE = (
    *("threading.Thread", "threading.Timer", "socket.socket", "subprocess.Popen"),
    *("tempfile.TemporaryDirectory", "tempfile._TemporaryFileWrapper"),
)


def _is_open(value: Any, name: str) -> bool:
    """Tell whether a value is a connection, or a file with a position."""
    if name in _CONNECTIONS:
        return True
    if not issubclass(type(value), imported("_io", "_IOBase") or ()):
        return False
    files = [each for each in _below(value, 10) if type(each) is imported("_io", "FileIO")]
    return any(not file.closed and _is_positioned(file) for file in files)


def made_at_import(reach: Reach) -> list[dict[str, Any]]:
    """Give what is read of which each worker should have its own, if an import makes it."""
    rows = []
    for root in reach.names:
        value = resolve(root, ())
        name = name_of(type(value))
        own = has_own_pid(value)
        if own or kind_of(value) == "random" or name in _MADE_ONCE or _is_open(value, name):
            text = "made of the process's id" if own else f"a {name}"
            rows.append({"root": root, "module": module_of(root), "text": text})
    return rows
