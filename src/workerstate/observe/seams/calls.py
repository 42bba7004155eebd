"""The parent's calls: which ``map``, ``submit`` or ``Parallel(...)`` a task belongs to.

A library numbers what it submits; a line is written for the first number of each call, with the
user's place and what can be read of the pool at that moment.
"""

from __future__ import annotations

from workerstate.observe import hook

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

LIBRARIES = frozenset(
    ("multiprocessing", "concurrent", "joblib", "loky", "billiard", "pebble", "mpire", "sklearn")
)
# One call of these submits one task: calls from the same line, one after the other, are one.
SINGLE = frozenset(("submit", "apply", "apply_async", "schedule"))
_MARK = "_workerstate_call"
_DEPTH = 60

_count = 0
_last: dict[int, tuple[object, int]] = {}  # pool -> its last call: key, number


def submitted(pool: int, work: int, frame: FrameType, describe: Any, *arguments: Any) -> None:
    """Note that task number ``work`` of a pool is being submitted.

    ``describe(*arguments)`` gives what is to be written of the pool, if this is a new call.
    """
    global _count
    entry, user, parallel = _walk(frame)
    last = _last.get(pool)
    if parallel is not None:
        key: object = getattr(parallel, "_call_id", None) or id(parallel)
        if last is not None and last[0] == key:
            return
    elif entry is None or user is None:
        # Submitted from a thread of the library: it goes on with the call before.
        if last is not None:
            return
        key = None
    elif entry.f_code.co_name in SINGLE:
        key = (entry.f_code.co_name, id(user.f_code), user.f_lineno)
        if last is not None and last[0] == key:
            return
    else:
        # The mark lives and dies with the frame of this one call of ``map``.
        if _MARK in entry.f_locals:
            return
        entry.f_locals[_MARK] = True
        key = id(entry)
    _count += 1
    _last[pool] = (key, _count)
    hook.emit(
        "call",
        n=_count,
        pool=pool,
        first=work,
        api="Parallel" if parallel is not None else entry.f_code.co_name if entry else None,
        path=user.f_code.co_filename if user else None,
        line=user.f_lineno if user else None,
        **describe(*arguments),
    )


def origin(frame: FrameType) -> tuple[FrameType | None, Any]:
    """Give the library's outermost frame, and joblib's Parallel if it is one that submits."""
    entry, _, parallel = _walk(frame)
    return entry, parallel


def last(pool: int) -> int:
    """Give the number of a pool's last call."""
    return _last[pool][1] if pool in _last else 0


def is_single(pool: int) -> bool:
    """Tell whether a pool's last call is of those that submit one task each."""
    return pool in _last and isinstance(_last[pool][0], tuple)


def forget() -> None:
    """In a forked child: its calls are its own."""
    global _count
    _count = 0
    _last.clear()


def _walk(frame: FrameType | None) -> tuple[FrameType | None, FrameType | None, Any]:
    """Give the library's outermost frame, the user's frame above it, and joblib's Parallel."""
    entry, parallel = None, None
    for _ in range(_DEPTH):
        if frame is None:
            break
        top = frame.f_globals.get("__name__", "").partition(".")[0]
        if top in LIBRARIES:
            entry = frame
            if top == "joblib":
                found = frame.f_locals.get("self")
                if type(found).__name__ == "Parallel":
                    parallel = found
        elif top == "threading" or frame.f_code.co_name == "<listcomp>":
            pass
        else:
            return entry, frame, parallel
        frame = frame.f_back
    return entry, None, parallel
