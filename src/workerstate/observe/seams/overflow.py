"""Tasks beyond the first many of a worker: counted by function, so that a recording stays small.

The task that runs is kept in a small file of its own, which is written over, so that a worker
that is killed is still known to have been in it.
"""

from __future__ import annotations

from os import close as os_close
from os import pwrite as os_pwrite
from time import monotonic

from workerstate.observe import hook

MOST = 20_000
_WIDTH = 300
_EVERY = 1.0  # seconds between two lines with the counts

_file = -1
_identity: tuple[int, int] | None = None
_counts: dict[str, list[int]] = {}
_written = 0.0


def begin(number: int, function: str) -> None:
    """Note the task that runs now."""
    text = f"+{number} {function}"[:_WIDTH]
    _note(text.encode("ascii", "replace").ljust(_WIDTH))


def end(function: str, took: int, ok: bool) -> None:
    """Count a task that is over: how often, microseconds in all, how many failed."""
    row = _counts.setdefault(function, [0, 0, 0])
    row[0] += 1
    row[1] += took // 1000
    row[2] += not ok
    _note(b"-")  # in place of the plus sign: over
    if monotonic() - _written > _EVERY:
        flush()


def _note(text: bytes) -> None:
    global _file, _identity
    if not hook.is_ours(_file, _identity):
        path = hook.journal().removesuffix(".jsonl") + ".now"
        _file, _identity = hook.open_high(path)
    try:
        os_pwrite(_file, text, 0)
    except OSError:
        pass  # the disk is full: the counts will tell


def flush() -> None:
    """Write the counts so far; each such line holds them all."""
    global _written
    if _counts:
        _written = monotonic()
        hook.emit("more", counts=_counts)


def forget() -> None:
    """In a forked child: the counts are its maker's."""
    global _file, _written
    if hook.is_ours(_file, _identity):
        os_close(_file)
    _file, _written = -1, 0.0
    _counts.clear()
