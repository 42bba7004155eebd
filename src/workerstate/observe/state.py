"""How a process's state gets into its journal: whole once, then only what changed.

The texts are those of ``workerstate.snapshot.texts``: safe to show, and equal exactly if the
values are.
"""

from __future__ import annotations

import os

from workerstate import fingerprint
from workerstate.observe import hook
from workerstate.snapshot import compare_texts, take_snapshot, texts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from workerstate.values import Difference

    Texts = dict[str, dict[str, str]]

_last: Texts | None = None
_source = [0, 0]  # who wrote _last: process id, number of its snapshot
_number = 0

fingerprint.set_salt(hook.salt)


def read(names: Iterable[str] | None = None) -> Texts:
    """Read this process, facet by facet."""
    return texts(take_snapshot(names), values=hook.values)


def record_parent() -> int:
    """Write what a worker started now would be compared with; give the snapshot's number."""
    return _record("snapshot")


def record_birth() -> None:
    """Write the state that this worker starts its first task with."""
    _record("born")


def forget_children() -> None:
    """In a forked child: its snapshots are numbered anew, on the basis of the parent's last."""
    global _number
    _number = 0


def changes() -> list[Difference]:
    """Tell what changed since the last time this process was read, and remember the new state."""
    global _last
    now = read()
    if _last is None:
        _last = now
        return []
    found = compare_texts(_last, now)
    _last = now
    return found


def _record(event: str) -> int:
    """Write a snapshot as the difference from the last one this process (or its parent) wrote."""
    global _last, _number, _source
    now = read()
    base = list(_source) if _last is not None else None
    _number += 1
    hook.flush_imports()
    hook.emit(event, n=_number, base=base, facets=_changed(_last or {}, now))
    _last = now
    _source = [os.getpid(), _number]
    return _number


def _changed(before: Texts, after: Texts) -> dict[str, dict[str, str | None]]:
    """Give the keys that differ; None stands for a key that is gone."""
    out: dict[str, dict[str, str | None]] = {}
    for difference in compare_texts(before, after):
        out.setdefault(difference.facet, {})[difference.key] = difference.after
    return out
