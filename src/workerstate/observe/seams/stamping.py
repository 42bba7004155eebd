"""The parent's side of what tasks bring: as of submit, one number per call, one index per item.

What is one call is as for a spec: each ``submit``, each ``map``, each call of a ``Parallel``. The
later tasks of a ``Parallel`` are submitted from a thread of its backend, which has a context and
settings of its own, so all of a call's tasks bring what its first one did.
"""

from __future__ import annotations

import os
from weakref import WeakKeyDictionary

from workerstate.observe import declare, stamps
from workerstate.observe.seams import calls, names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

_MARK = "_workerstate_stamp"
_parallel: WeakKeyDictionary[Any, tuple[object, _Call]] = WeakKeyDictionary()


class _Call:
    """A call of the parent's: what its tasks bring, and how many items they have had so far."""

    __slots__ = ("brought", "items")

    def __init__(self) -> None:
        self.brought = declare.brought()
        self.items = 0


def submitted(
    pool: int, work: int, frame: FrameType, called: Any, args: Any, part: int = 1
) -> None:
    """Write what task number ``work`` of a pool brings.

    Args: the library's frame that submits it, what the worker is to call with what, and how many
    items each part has of a task that the pool itself takes apart.
    """
    if declare.VARIABLE not in os.environ:
        return
    from workerstate import start_reports

    call = _call_of(frame)
    if call.brought is None:
        return
    fingerprint, number = call.brought
    file = stamps.path(start_reports.folder(), pool)
    stamps.write(file, work, (fingerprint, number, call.items, part))
    call.items += names.said(called, args)[1]


def _call_of(frame: FrameType) -> _Call:
    entry, parallel = calls.origin(frame)
    if parallel is not None:
        key = getattr(parallel, "_call_id", None)
        known = _parallel.get(parallel)
        if known is None or key is None or known[0] != key:
            known = _parallel[parallel] = (key, _Call())
        return known[1]
    if entry is None or entry.f_code.co_name in calls.SINGLE:
        return _Call()
    # It lives and dies with the frame of this one call of ``map``.
    found: _Call | None = entry.f_locals.get(_MARK)
    if found is None:
        found = entry.f_locals[_MARK] = _Call()
    return found
