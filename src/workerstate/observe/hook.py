"""What every observed process loads at start-up: the journal, the fork hooks, the import recorder.

It imports nothing but ``os``, ``sys``, ``time`` and ``_thread`` and stays small, because every
interpreter below `workerstate run` pays for it. Three rules hold everywhere in it: no exception
reaches the program, no frame of ours stands in the program's tracebacks, and every line is one
``os.write`` to a file opened for appending, so that a process killed at any moment leaves whole
lines behind.

Even ``from __future__ import annotations`` would read a file, so annotations are quoted.
"""

import os
import sys
from _thread import get_ident

# Tests replace functions of os by mocks; what we call must neither be counted nor be pretended.
from os import close as os_close
from os import dup2 as os_dup2
from os import fstat as os_fstat
from os import getpid as os_getpid
from os import getppid as os_getppid
from os import open as os_open
from os import write as os_write
from time import perf_counter_ns, time_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

SCHEMA = 1
VARIABLE = "WORKERSTATE_RUN"

# Modules whose import makes workerstate.observe.seams look at them.
WATCHED = frozenset(
    (
        "multiprocessing.context",
        "multiprocessing.process",
        "multiprocessing.popen_fork",
        "multiprocessing.pool",
        "concurrent.futures.process",
        "subprocess",
        "loky.process_executor",
        "loky.reusable_executor",
        "loky.backend.popen_loky_posix",
        "joblib.externals.loky.process_executor",
        "joblib.externals.loky.reusable_executor",
        "joblib.externals.loky.backend.popen_loky_posix",
        "workerstate.engine.serving",
        "workerstate.engine.template_source",
        "billiard.process",
        "billiard.popen_fork",
        "billiard.pool",
        "mpire.async_result",
        "pebble.pool.base_pool",
    )
)

folder = ""
salt = b""
values = False
lost = 0
how = ""  # what kind of process the interpreter was started as

_file = -1
_identity: "tuple[int, int] | None" = None
_path = ""
_depth: "dict[int, int]" = {}
_imports: "list[str]" = []
_seams: "ModuleType | None" = None
_pause = 0
_real_exit = os._exit


def quote(text: str) -> str:
    """Give ``text`` as a JSON string of ASCII characters."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return '"' + text + '"'
    out = []
    for character in text:
        code = ord(character)
        if character in '"\\':
            out.append("\\" + character)
        elif 32 <= code < 127:
            out.append(character)
        elif code < 0x10000:
            out.append(f"\\u{code:04x}")
        else:
            code -= 0x10000
            out.append(f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}")
    return '"' + "".join(out) + '"'


def encode(value: object) -> str:
    """Give plain data as JSON; anything else as text or as the name of its type."""
    kind = type(value)
    if value is None:
        return "null"
    if kind is bool:
        return "true" if value else "false"
    if kind is int:
        return repr(value)
    if kind is float:
        return repr(value) if value - value == 0 else "null"  # type: ignore[operator]
    if kind is str:
        return quote(value)  # type: ignore[arg-type]
    if kind is dict:
        pairs = value.items()  # type: ignore[attr-defined]
        return "{" + ",".join(quote(str(k)) + ":" + encode(v) for k, v in pairs) + "}"
    if kind is list or kind is tuple:
        return "[" + ",".join(map(encode, value)) + "]"  # type: ignore[call-overload]
    return quote(str.__str__(value) if isinstance(value, str) else kind.__name__)


def write(line: str) -> None:
    """Append one line to this process's journal, after making sure that it still is that."""
    if not is_ours(_file, _identity):
        _open(_path)
    append(line + "\n")


def append(text: str) -> None:
    """Append whole lines; what can't be written is counted, and told when it can be again."""
    global lost
    if lost:
        # On a full disk half a line may have been written.
        text = f'\n{{"ev":"lost","lost":{lost}}}\n{text}'
    data = text.encode()
    try:
        whole = os_write(_file, data) == len(data)
    except OSError:
        whole = False
    lost = 0 if whole else lost + 1


def emit(event: str, **fields: object) -> None:
    """Append one event, with the time in nanoseconds since the epoch."""
    fields["t"] = time_ns()
    write('{"ev":"' + event + '",' + encode(fields)[1:])


def fault(where: str, error: BaseException) -> None:
    """Record an internal fault: it belongs into the recording, never into the program."""
    try:
        emit("fault", where=where, error=type(error).__name__ + ": " + str(error)[:300])
    except Exception:
        pass


def open_high(path: str, flags: int = 0) -> "tuple[int, tuple[int, int] | None]":
    """Open a file of ours at a high number, clear of programs that close the low ones.

    Give the number and the file's identity, by which to know later that it still is ours; -1
    and None where it can't be opened.
    """
    try:
        number = os_open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | flags, 0o600)
        state = os_fstat(number)
        high = min(os.sysconf("SC_OPEN_MAX"), 1024) - 8
        for place in range(high, high - 16, -1):
            try:
                os_fstat(place)
            except OSError:
                os_dup2(number, place, False)
                os_close(number)
                number = place
                break
    except (OSError, ValueError):
        return -1, None
    return number, (state.st_ino, state.st_dev)


def is_ours(number: int, identity: "tuple[int, int] | None") -> bool:
    """Tell whether a descriptor still is the file that was opened under that number.

    A program that closes all its files may have reopened the number for one of its own.
    """
    try:
        state = os_fstat(number)
    except OSError:
        return False
    return (state.st_ino, state.st_dev) == identity


def _open(path: str) -> None:
    global _file, _identity
    _file, _identity = open_high(path, os.O_APPEND)


def journal() -> str:
    """Give the path of this process's journal."""
    return _path


def _new_journal() -> None:
    global _path
    # Process ids are used again, so the start time is part of the name.
    _path = f"{folder}/{os_getpid()}-{time_ns():x}.jsonl"
    _open(_path)


def _how_started() -> str:
    """Tell from the interpreter's own arguments what kind of process this is."""
    arguments = sys.orig_argv[1:]
    joined = " ".join(arguments[:6])
    if "--multiprocessing-fork" in arguments:
        return "spawn"
    if "import main; main(" in joined and "forkserver" in joined:
        return "forkserver"
    if "resource_tracker import main" in joined or "semaphore_tracker import main" in joined:
        return "tracker"
    if "from workerstate.engine.template import main" in joined:
        return "template"
    for number, argument in enumerate(arguments[:-1]):
        if argument == "-m" and arguments[number + 1].endswith("popen_loky_posix"):
            return "loky"
    if any(argument.endswith("default_worker.py") for argument in arguments):
        return "ray"
    return "exec"


def _library() -> "str | None":
    """Name the installed library whose script this process runs, if that is what it runs."""
    for argument in sys.orig_argv[1:]:
        if argument.endswith(".py") and "-packages/" in argument:
            return argument.rpartition("-packages/")[2].partition("/")[0]
    return None


def seams() -> "ModuleType | None":
    """Load the second stage, once; None where that failed (which is then recorded)."""
    global _seams, _pause
    if _seams is None:
        root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        _pause += 1
        sys.path.insert(0, root)
        try:
            _seams = __import__("workerstate.observe.seams", fromlist=["install"])
        except Exception as error:
            fault("seams", error)
        finally:
            sys.path.remove(root)
            _pause -= 1
    return _seams


def quietly(function: "Callable[..., Any]", *arguments: object) -> "Any":
    """Call a function of ours; what it raises becomes a line of the recording."""
    global _pause
    _pause += 1
    try:
        return function(*arguments)
    except Exception as error:
        fault(getattr(function, "__name__", "?"), error)
    finally:
        _pause -= 1


def _watch(name: str) -> None:
    module, stage = sys.modules.get(name), seams()
    if module is not None and stage is not None:
        quietly(stage.install, name, module)


def flush_imports() -> None:
    """Write the imports recorded so far as one line."""
    if _imports:
        write('{"ev":"imports","list":[' + ",".join(_imports) + "]}")
        _imports.clear()


def _record_imports() -> None:
    """Wrap the one function through which every first import of a module goes."""
    import _frozen_importlib

    core: Any = _frozen_importlib

    real = core._find_and_load

    def _find_and_load(name, import_):  # type: ignore[no-untyped-def]
        thread = get_ident()
        depth = _depth.get(thread, 0)
        _depth[thread] = depth + 1
        start = perf_counter_ns()
        try:
            module = real(name, import_)
        finally:
            if depth:
                _depth[thread] = depth
            else:
                _depth.pop(thread, None)
        if not _pause:
            took = (perf_counter_ns() - start) // 1000
            _imports.append("[" + quote(name) + f",{depth},{took}]")
            if not depth:
                flush_imports()
        if name in WATCHED:
            _watch(name)
        return module

    # Python strips frames of this file name from the tracebacks of failed imports.
    code = _find_and_load.__code__
    _find_and_load.__code__ = code.replace(co_filename=real.__code__.co_filename)
    core._find_and_load = _find_and_load


def _before_fork() -> None:
    if _seams is not None and quietly(_seams.purpose_of_fork) == "worker":
        quietly(_seams.before_fork)


def _after_fork_in_parent() -> None:
    if _seams is not None:
        quietly(_seams.forked)


def _after_fork() -> None:
    global lost
    parent = os_getppid()
    if is_ours(_file, _identity):
        os_close(_file)
    _imports.clear()
    _depth.clear()
    lost = 0
    _new_journal()
    # A bare os.fork is a copy of its maker, about which nothing more is read: what runs in a
    # forked process makes pages its own, which is what costs there.
    purpose = "copy" if _seams is None else quietly(_seams.purpose_of_fork)
    emit("start", schema=SCHEMA, pid=os_getpid(), ppid=parent, how="fork", purpose=purpose)
    if _seams is not None and purpose == "worker":
        quietly(_seams.after_fork)


def _exit(status: int) -> None:
    # Wrapping os._exit is safe: it neither returns nor raises, so no frame of ours shows.
    try:
        flush_imports()
        emit("exit", code=status)
    except Exception:
        pass
    _real_exit(status)


def start() -> None:
    """Begin to observe this process, as the environment variable says."""
    global folder, salt, values, how
    # schema | salt in hex | 1 to keep values | simulated number of CPUs or 0 | folder
    schema, key, keep, cpus, folder = os.environ[VARIABLE].split("|", 4)
    if int(schema) != SCHEMA:
        return
    salt, values = bytes.fromhex(key), keep == "1"
    how = _how_started()
    _new_journal()
    emit(
        "start",
        schema=SCHEMA,
        pid=os_getpid(),
        ppid=os_getppid(),
        how=how,
        python=".".join(map(str, sys.version_info[:3])),
        script_of=_library(),
    )
    stage = seams() if int(cpus) else None
    if stage is not None:
        stage.simulate_cpus(int(cpus))
    os._exit = _exit  # type: ignore[assignment]
    _record_imports()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=_before_fork,
            after_in_child=_after_fork,
            after_in_parent=_after_fork_in_parent,
        )
    for name in WATCHED.intersection(sys.modules):
        _watch(name)
