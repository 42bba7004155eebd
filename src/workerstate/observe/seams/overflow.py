"""Tasks beyond the first many of a worker: counted by function, so that a recording stays small.

The task that runs is kept in a small file of its own, which is written over, so that a worker
that is killed is still known to have been in it.
"""

from __future__ import annotations

import os
from os import close as os_close
from os import open as os_open
from os import pwrite as os_pwrite
from time import monotonic

from workerstate.observe import hook

MOST = 20_000
_WIDTH = 300
_EVERY = 1.0  # seconds between two lines with the counts

_file = -1
_counts: dict[str, list[int]] = {}
_written = 0.0


def begin(number: int, function: str) -> None:
    """Note the task that runs now."""
    global _file
    if _file < 0:
        path = hook.journal().removesuffix(".jsonl") + ".now"
        _file = os_open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    text = f"+{number} {function}"[:_WIDTH]
    os_pwrite(_file, text.encode("ascii", "replace").ljust(_WIDTH), 0)


def end(function: str, took: int, ok: bool) -> None:
    """Count a task that is over: how often, microseconds in all, how many failed."""
    row = _counts.setdefault(function, [0, 0, 0])
    row[0] += 1
    row[1] += took // 1000
    row[2] += not ok
    os_pwrite(_file, b"-", 0)  # in place of the plus sign: over
    if monotonic() - _written > _EVERY:
        flush()


def flush() -> None:
    """Write the counts so far; each such line holds them all."""
    global _written
    if _counts:
        _written = monotonic()
        hook.emit("more", counts=_counts)


def forget() -> None:
    """In a forked child: the counts are its maker's."""
    global _file, _written
    if _file >= 0:
        os_close(_file)
    _file, _written = -1, 0.0
    _counts.clear()
