"""How a process's state gets into its journal: whole once, then only what changed.

The texts are those of ``workerstate.snapshot.texts``: safe to show, and equal exactly if the
values are.
"""

from __future__ import annotations

import os

from workerstate import fingerprint
from workerstate.observe import hook, live
from workerstate.snapshot import compare_texts, take_snapshot, texts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from workerstate.values import Difference

    Texts = dict[str, dict[str, str]]

# What a forked process has of its maker's live objects; None in one that was not forked.
inherited: dict[str, list[object]] | None = None

_last: Texts | None = None
_source = [0, 0]  # who wrote _last: process id, number of its snapshot
_number = 0

fingerprint.set_salt(hook.salt)


def read(names: Iterable[str] | None = None) -> Texts:
    """Read this process, facet by facet."""
    return texts(take_snapshot(names), values=hook.values)


def record_parent() -> int:
    """Write what a worker started now would be compared with; give the snapshot's number."""
    number = _record("snapshot")
    if hook.how_started() == "forkserver":
        _record_live()
    return number


def record_birth() -> None:
    """Write the state that this worker starts its first task with."""
    _record("born")
    if inherited is not None:
        _record_live()


def forget_children() -> None:
    """In a forked child: its snapshots are numbered anew, on the basis of the parent's last."""
    global _number, inherited
    _number = 0
    inherited = {}


def locks_held() -> bool:
    """Tell whether a lock that this process was forked with is held by nobody who is here."""
    return any(row[0] == "lock" and row[2] for row in (inherited or {}).values())


def record_draws() -> None:
    """Write where the random generators are that this process was forked with."""
    names = [name for name, row in (inherited or {}).items() if row[0] == "random generator"]
    if names:
        hook.emit("drew", found=live.generators(names))


def _record_live() -> None:
    global inherited
    found = live.objects()
    threads = live.thread_names()
    if found or threads:
        hook.emit("live", found=found, threads=threads, files=live.files(found))
    if inherited is not None:
        inherited = found


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


def _changed(before: Texts, after: Texts) -> dict[str, dict[str, str | None] | None]:
    """Give what differs, key by key; None stands for a key, or a whole facet, that is gone."""
    out: dict[str, dict[str, str | None] | None] = {f: None for f in before if f not in after}
    for facet, row in after.items():
        old = before.get(facet)
        if old == row:
            continue
        changed: dict[str, str | None] = {k: text for k, text in row.items() if text != (old or {}).get(k)}
        changed.update((k, None) for k in old or () if k not in row)
        out[facet] = changed
    return out
