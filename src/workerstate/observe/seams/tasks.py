"""A worker's tasks: a line when one begins, a line when it ends, and what it left behind.

The line is written before the task runs, so that a process killed inside it is known to have
been there. What the task changed is looked for only after its result is on its way.
"""

from __future__ import annotations

from time import perf_counter_ns, time_ns

from workerstate.observe import hook, state
from workerstate.observe.probe import Probe
from workerstate.observe.reads import Reads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from workerstate.observe.seams.queues import Weight

# Wrappers that libraries put around the user's function: type name -> attribute that holds it.
_WRAPPERS = {
    "partial": "func",
    "SafeFunction": "func",
    "_TracebackCapturingWrapper": "func",
    "_FuncWrapper": "function",
    "CloudpickledObjectWrapper": "_obj",
    "CloudpickledCallable": "_obj",
}
# Functions that libraries send in the user's place, whose first argument is the user's.
_CHUNKERS = frozenset(("_process_chunk", "process_chunk"))
_MAPPERS = frozenset(("mapstar", "starmapstar"))

# After so many tasks it is known whether a worker draws from a generator it shares.
_DRAWS = 2

_count = 0
_current: tuple[int, str, int] | None = None
_ended: tuple[int, str, int] | None = None
_unsent: int | None = None
_probe = Probe()
_born = False
_read: set[str] = set()
_unread: list[tuple[str, Any]] = []

# The sizes of the messages that this worker's queue receives, where its backend shows them.
weight: Weight | None = None


def forget() -> None:
    """In a forked child: none of the parent's tasks is ours."""
    global _count, _current, _ended, _unsent, _probe, _born, weight
    weight = None
    _read.clear()
    _unread.clear()
    _count, _current, _ended, _unsent, _probe, _born = 0, None, None, None, Probe(), False


def begin(function: str, items: int, work: object, called: object = None) -> None:
    """Write that a task begins.

    Args: the user's function by name, how many items of the user's the task has, its number in
    the pool (which tells the call), and what the backend was given to call.
    """
    global _count, _current, _unsent
    hook.flush_imports()
    _count += 1
    _unsent = None
    more = f',"items":{items}' if items != 1 else ""
    if work is not None:
        more += ',"work":' + hook.encode(work)
    if weight is not None:
        size, mark = weight.take()
        if mark is not None:
            more += f',"bytes":{size},"mark":"{mark}","carrier":{hook.encode(_carrier(called))}'
    more = f'{{"ev":"begin","n":{_count},"fn":{hook.quote(function)}{more},"t":{time_ns()}}}'
    hook.write(more)
    if function not in _read:
        # Once for each function, after its first task: which names its code can read.
        _read.add(function)
        _unread.extend((function, each) for each in callables(called))
        if state.locks_held():
            write_reads()  # this task may never end
    _current = (_count, function, perf_counter_ns())


def end(ok: bool) -> None:
    """Write that the task is over; a second call says that its result could not be sent."""
    global _current, _ended, _unsent
    if _current is None:
        if _unsent is not None and not ok:
            hook.write(f'{{"ev":"unsent","n":{_unsent},"t":{time_ns()}}}')
        return
    number, function, start = _current
    took = perf_counter_ns() - start
    _current = None
    _unsent = number
    _ended = (number, function, took)
    word = "true" if ok else "false"
    hook.write(f'{{"ev":"end","n":{number},"ok":{word},"us":{took // 1000},"t":{time_ns()}}}')


def settle() -> None:
    """Between two tasks: write the birth before the first, and afterwards what the last changed."""
    global _ended, _born
    if not _born:
        _born = True
        state.record_birth()
        _probe.start()
        return
    if _ended is None:
        return
    number, function, took = _ended
    _ended = None
    since, found = _probe.after(function, number, took)
    write_reads()
    if number <= _DRAWS:
        state.record_draws()
    if found:
        rows = [[d.facet, d.key, d.before, d.after] for d in found]
        hook.emit("changes", n=number, since=since, list=rows)


def write_reads() -> None:
    """Write, once for each function that was called, which names its code can read."""
    while _unread:
        function, called = _unread.pop()
        reads = Reads().follow(called)
        hook.emit(
            "reads",
            fn=function,
            libraries=sorted(reads.libraries),
            globals=sorted(reads.globals),
            attributes=sorted(reads.attributes)[:1000],
            cut=reads.cut,
        )


def callables(called: object) -> list[Any]:
    """Give the user's functions in what a backend was given to call."""
    if called is None:
        return []
    called = unwrap(called)
    batch = getattr(called, "items", None) if type(called).__name__ == "BatchedCalls" else None
    if isinstance(batch, list):
        return [unwrap(item[0]) for item in batch[:8]]
    return [called]


def leave() -> None:
    """At the end of the worker: settle its last task, if it ever asked for one."""
    if _born:
        settle()


def name(function: Any) -> str:
    """Say a function as ``module:qualname``, without calling anything of it."""
    qualname = getattr(function, "__qualname__", None)
    module = getattr(function, "__module__", None)
    if not isinstance(qualname, str):
        cls = type(function)
        qualname, module = cls.__qualname__, cls.__module__
    if module == "__mp_main__":
        module = "__main__"
    return f"{module or '?'}:{qualname}"


def unwrap(function: Any) -> Any:
    """Find the user's function below what libraries put around it."""
    for _ in range(8):
        attribute = _WRAPPERS.get(type(function).__name__)
        inside = getattr(function, attribute, None) if attribute else None
        if inside is None:
            break
        if type(function).__name__ == "partial" and _is_chunker(inside) and function.args:
            inside = function.args[0]
        function = inside
    return function


def _is_chunker(function: Any) -> bool:
    return getattr(function, "__name__", "") in _CHUNKERS


def label(function: Any) -> str:
    """Name the user's function in whatever a backend calls."""
    function = unwrap(function)
    # joblib sends batches: objects with a list of (function, args, kwargs).
    batch = getattr(function, "items", None) if type(function).__name__ == "BatchedCalls" else None
    if isinstance(batch, list) and batch:
        return ", ".join(dict.fromkeys(name(unwrap(item[0])) for item in batch[:8]))
    return name(function)


def _carrier(function: Any) -> str | None:
    """Say what drags an object along with a task: a bound method or a partial."""
    function = unwrap(function) if type(function).__name__ != "partial" else function
    if type(function).__name__ == "partial" and not _is_chunker(function.func):
        return "partial"
    owner = getattr(unwrap(function), "__self__", None)
    if owner is None or type(owner).__name__ == "module":
        return None
    return f"bound method of {type(owner).__qualname__}"


def items(function: Any, args: Any) -> int:
    """Tell how many of the user's calls one task makes."""
    if type(function).__name__ == "BatchedCalls":
        return len(function.items)
    if type(function).__name__ == "partial" and _is_chunker(function.func) and args:
        return len(args[0])
    return 1


def mapped(function: Any, args: Any) -> tuple[Any, int]:
    """Give the user's function and the number of items of one task of a ``Pool``."""
    if getattr(function, "__name__", "") in _MAPPERS and args:
        return args[0][0], len(args[0][1])
    inner = unwrap(function)
    return function, items(inner, args)
