"""A worker's tasks: a line when one begins, a line when it ends, and what it left behind.

The line is written before the task runs, so that a process killed inside it is known to have
been there. What the task changed is looked for only after its result is on its way.
"""

from __future__ import annotations

from time import perf_counter_ns, time_ns

from workerstate.observe import declare, hook, state, submissions
from workerstate.observe.probe import Probe
from workerstate.observe.reads import Reads
from workerstate.observe.seams import names, overflow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from workerstate.observe.seams.queues import Weight

# After so many tasks it is known whether a worker draws from a generator it shares.
_DRAWS = 2

_count = 0
_current: tuple[int, str, int] | None = None
_unsent: int | None = None
_probe = Probe()
_born = False
# Whether a user's initializer runs in this worker before its first task.
initialized = False
_read: set[str] = set()
_unread: list[tuple[str, Any]] = []

# The sizes of the messages that this worker's queue receives, where its backend shows them.
weight: Weight | None = None


def forget() -> None:
    """In a forked child: none of the parent's tasks is ours."""
    global _count, _current, _unsent, _probe, _born, weight, initialized
    weight, initialized = None, False
    overflow.forget()
    _read.clear()
    _unread.clear()
    _count, _current, _unsent, _probe, _born = 0, None, None, Probe(), False


def begin(called: Any, args: Any, work: object, part: object = 0) -> None:
    """Write that a task begins.

    Args: what the backend was given to call, with what, the task's number in its pool (which
    tells the call it belongs to), and which part of that it is, where a number has several.
    """
    global _count, _current, _unsent
    hook.flush_imports()
    _count += 1
    _unsent = None
    function, items = names.said(called, args)
    if declare.started and hook.quietly(declare.fit, work, part) and _born:
        # What was made to match is not what the task has changed.
        state.changes()
        _probe.start()
    if _count > overflow.MOST:
        overflow.begin(_count, function)
        _current = (_count, function, perf_counter_ns())
        return
    more = f',"items":{items}' if items != 1 else ""
    if work is not None:
        more += f',"work":{work}'
    if weight is not None and weight.mark is not None:
        more += weight.said(names.carrier(called, args))
    line = f'{{"ev":"begin","n":{_count},"fn":{hook.quote(function)}{more},"t":{time_ns()}}}\n'
    # After a task's end line the journal was seen to be ours, so this one is not checked again.
    hook.append(line)
    if function not in _read:
        # Once for each function, after its first task: which names its code can read.
        _read.add(function)
        _unread.extend((function, each) for each in names.functions(called, args))
        if state.locks_held():
            write_reads()  # this task may never end
    _current = (_count, function, perf_counter_ns())
    if submissions.listener is not None:
        submissions.listener.began(function)


def running() -> bool:
    """Tell whether a task has begun and not ended."""
    return _current is not None


def end(ok: bool) -> None:
    """Write that the task is over, and what it changed; before its result is sent.

    Afterwards might be too late: a pool that is left by ``with`` ends its workers as soon as it
    has the last result. A second call says that the result could not be sent.
    """
    global _current, _unsent
    if _current is None:
        if _unsent is not None and not ok:
            hook.write(f'{{"ev":"unsent","n":{_unsent},"t":{time_ns()}}}')
        return
    number, function, start = _current
    took = perf_counter_ns() - start
    if submissions.listener is not None:
        submissions.listener.ended(ok)
    _current = None
    _unsent = number
    if number > overflow.MOST:
        overflow.end(function, took, ok)
    else:
        word = "true" if ok else "false"
        hook.write(f'{{"ev":"end","n":{number},"ok":{word},"us":{took // 1000},"t":{time_ns()}}}')
    write_reads()
    if number <= _DRAWS:
        state.record_draws()
    if not _born:
        return  # a Process with a target: what it leaves behind ends with it
    since, found = _probe.after(function, number, took)
    if found:
        rows = [[d.facet, d.key, d.before, d.after] for d in found]
        hook.emit("changes", n=number, since=since, list=rows)


def between() -> None:
    """When the worker asks for a task: write the state that it begins the first one with."""
    global _born
    if not _born:
        _born = True
        state.record_birth(untouched=not initialized)
        _probe.start()


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
            loggers=sorted(reads.loggers),
            cut=reads.cut,
        )
        state.record_connections(sorted(reads.globals))
