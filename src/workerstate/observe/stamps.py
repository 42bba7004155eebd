"""What each task brings under `run --carry` and `--seed`: one record in a file of its pool's.

So the messages of the program's pools stay as they are, and so do their pickles, sizes and chunks.
The record lies at the place of the task's number. The parent writes it before the task is queued;
the worker that has got the task reads it.
"""

from __future__ import annotations

import os
from os import close as os_close
from os import open as os_open
from os import pread as os_pread
from os import pwrite as os_pwrite
from struct import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    # Fingerprint of the settings, number of the call, index in it of the first item, and how many
    # items each part of the task has, where it has parts.
    Record = tuple[str, int, int, int]

_LAYOUT = Struct("<24sqqq")


def path(folder: str, pool: int) -> str:
    """Give where the records of a pool's tasks lie."""
    return os.path.join(folder, f"pool-{pool}.tasks")


def write(file: str, work: int, record: Record) -> None:
    """Keep what the task of that number brings."""
    fingerprint, call, first, size = record
    # Calls are counted from 1 here: what was never written reads as zeros.
    data = _LAYOUT.pack(fingerprint.encode(), call + 1, first, size)
    number = os_open(file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os_pwrite(number, data, work * _LAYOUT.size)
    finally:
        os_close(number)


def read(file: str, work: int) -> Record | None:
    """Give what the task of that number brings; None if nothing was written for it."""
    try:
        number = os_open(file, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        data = os_pread(number, _LAYOUT.size, work * _LAYOUT.size)
    finally:
        os_close(number)
    if len(data) < _LAYOUT.size:
        return None
    fingerprint, call, first, size = _LAYOUT.unpack(data)
    return (fingerprint.rstrip(b"\0").decode(), call - 1, first, size) if call else None
