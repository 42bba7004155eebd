"""How a process's state gets into its journal: whole once, then only what changed.

The texts are those of ``workerstate.snapshot.texts``: safe to show, and equal exactly if the
values are.
"""

from __future__ import annotations

import os

from workerstate import fingerprint
from workerstate.facets import BUILTIN
from workerstate.observe import declare, hook, live
from workerstate.observe.look import look
from workerstate.snapshot import compare_texts, take_snapshot, texts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from workerstate.values import Captured, Difference

    Texts = dict[str, dict[str, str]]

# What a forked process has of its maker's live objects; None in one that was not forked.
inherited: live.Found | None = None

_captured: dict[str, Captured] = {}
_texts: Texts = {}
_written: Texts | None = None  # what the journal's last snapshot amounts to
_source = [0, 0]  # who wrote that: process id, number of its snapshot
_number = 0
_look: tuple[object, ...] = ()
# What Python makes anew in a forked process (the random module's seed), what a library's loop
# does before it asks for a task, and the threads that are not copied.
_BY_FORK = ("random", "hooks", "signals", "threads")
_live: live.Found = {}
_sockets: frozenset[int] = frozenset()

# What no task changes, or what is dear to read (native_threads scans the loaded libraries).
_AT_BIRTH_ONLY = ("flags", "native_threads")

fingerprint.set_salt(hook.salt)
fingerprint.set_values(hook.values)


def read(names: Iterable[str] | None = None) -> Texts:
    """Read this process, facet by facet; only what is not as before is put into words again."""
    snapshot = take_snapshot(names)
    fresh = {n: c for n, c in snapshot.captured.items() if _captured.get(n) != c}
    if names is None:
        for name in snapshot.absent:
            _captured.pop(name, None)
            _texts.pop(name, None)
    said = texts(snapshot.replace(captured=fresh), values=hook.values)
    _captured.update(fresh)
    _texts.update(said)
    return dict(_texts)


def record_parent() -> int:
    """Write what a worker started now would be compared with; give the snapshot's number."""
    global _look
    number = _record("snapshot", read())
    _look = look()
    if hook.how == "forkserver":
        _emit_live(live.objects())
    return number


def before_fork() -> None:
    """Write what a worker forked now starts from; it inherits what is read here."""
    global _live, _sockets
    record_parent()
    _live, _sockets = live.objects(), live.open_sockets()


def record_birth(*, untouched: bool = False) -> None:
    """Write the state that this worker starts its first task with.

    ``untouched`` says that since its fork nothing of the program has run in it: what it has is
    what its maker had just before, and only what a fork changes is read again. A fork server's
    worker is never that: it has the parent's directory, path and main module from its start.
    """
    if declare.VARIABLE in os.environ:
        declare.initialized()
    copied = untouched and inherited is not None and hook.how != "forkserver"
    if copied and _written is not None and look() == _look:
        _record("born", {**_written, **read(_BY_FORK)})
    else:
        _record("born", read())
    if inherited is not None:
        _emit_live(inherited)


def after_fork() -> None:
    """In a forked child: its snapshots are numbered anew, on the basis of its maker's last."""
    global _number, inherited
    _number = 0
    inherited = _live


def changes(names: Iterable[str] | None = None) -> list[Difference]:
    """Tell what changed in those facets since they were last read, and remember their state."""
    global _written
    before = _written or {}
    now = read(names or [name for name in BUILTIN if name not in _AT_BIRTH_ONLY])
    _written = now
    late = {name: row for name, row in now.items() if name not in before}
    if late:
        # A library that a task brought in: what it has now is what it begins with here.
        hook.emit("late", facets=late)
    return compare_texts(before, now)


def locks_held() -> bool:
    """Tell whether a lock that this process was forked with is held by nobody who is here."""
    return any(row[0] == "lock" and row[2] for row in (inherited or {}).values())


def record_connections(names: list[str]) -> None:
    """Write which of those globals hold a connection that this process was forked with."""
    if inherited is not None and _sockets:
        found = live.connections(names, _sockets)
        if found:
            hook.emit("connections", found=found, files=live.files(found))


def record_draws() -> None:
    """Write where the random generators are that this process was forked with."""
    names = [name for name, row in (inherited or {}).items() if row[0] == "random generator"]
    if names:
        hook.emit("drew", found=live.generators(names))


def _emit_live(found: live.Found) -> None:
    threads = live.thread_names()
    if found or threads:
        hook.emit("live", found=found, threads=threads, files=live.files(found))


def _record(event: str, now: Texts) -> int:
    """Write a snapshot as the difference from the last one this process (or its maker) wrote."""
    global _written, _number, _source
    base = list(_source) if _written is not None else None
    _number += 1
    hook.flush_imports()
    hook.emit(event, n=_number, base=base, facets=_changed(_written or {}, now))
    _written = now
    _source = [os.getpid(), _number]
    return _number


def _changed(before: Texts, after: Texts) -> dict[str, dict[str, str | None] | None]:
    """Give what differs, key by key; None stands for a key, or a whole facet, that is gone."""
    out: dict[str, dict[str, str | None] | None] = {f: None for f in before if f not in after}
    for facet, row in after.items():
        old = before.get(facet)
        if old == row:
            continue
        old = old or {}
        changed: dict[str, str | None] = {k: t for k, t in row.items() if t != old.get(k)}
        changed.update((k, None) for k in old if k not in row)
        out[facet] = changed
    return out
