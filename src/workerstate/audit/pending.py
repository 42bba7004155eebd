"""Text that a program has written to a file, and that the file has not written yet.

A fork copies it, so that each worker writes it once more. It can't be read from outside: a file
gives it away only by writing. So a copy of this process, which lives for a moment, has its files
write elsewhere, and says how much came.
"""

from __future__ import annotations

import os
import select

from workerstate.audit.lookups import attributes
from workerstate.fingerprint.classes import imported, qualified
from workerstate.program import user_modules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PATIENCE = 1.0  # seconds
MOST_FILES = 50


def pending() -> dict[int, int]:
    """Give the number of bytes that each of the program's files has still to write, by its id."""
    files = _writers()[:MOST_FILES]
    if not files or not hasattr(os, "memfd_create"):
        return {}
    counts = _ask(files)
    return {id(file): count for file, count in zip(files, counts, strict=False) if count}


def _writers() -> list[Any]:
    """Give the open files with a buffer among the program's globals and in the objects there."""
    modules = user_modules()
    kinds = tuple(
        kind
        for kind in (imported("_io", "TextIOWrapper"), imported("_io", "BufferedWriter"))
        if kind is not None
    )
    found: dict[int, Any] = {}
    for namespace in modules.values():
        for value in list(namespace.values()):
            held = attributes(value).values() if qualified(type(value))[0] in modules else ()
            for each in (value, *held):
                if type(each) in kinds and _is_open(each):
                    found[id(each)] = each
    return [each for each in found.values() if _number(each) > 2]


def _is_open(file: Any) -> bool:
    try:
        return not file.closed and bool(file.writable())
    except (OSError, ValueError):
        return False  # what is behind it was taken away (detach)


def _number(file: Any) -> int:
    """Give the number of a file; -1 where there is none behind it (of a BytesIO)."""
    try:
        return int(file.fileno())
    except (OSError, ValueError):
        return -1


def _ask(files: list[Any]) -> list[int]:
    import ctypes

    near, far = os.pipe()
    elsewhere = os.memfd_create("workerstate-pending")
    # Past Python's own fork, whose hooks are the program's: this is no worker of its. With the
    # interpreter's lock held, so that the copy has it too.
    child = ctypes.PyDLL(None).fork()
    if child == 0:
        try:
            os.write(far, ",".join(str(_write(file, elsewhere)) for file in files).encode())
        finally:
            os._exit(0)
    os.close(far)
    os.close(elsewhere)
    said = b""
    try:
        if select.select([near], [], [], PATIENCE)[0]:
            said = os.read(near, 4096)
        else:  # a thread had the lock of a file when it was copied
            os.kill(child, 9)
    finally:
        os.close(near)
        os.waitpid(child, 0)
    return [int(each) for each in said.decode().split(",")] if said else []


def _write(file: Any, elsewhere: int) -> int:
    os.ftruncate(elsewhere, 0)
    os.dup2(elsewhere, file.fileno())
    try:
        file.flush()
    except (OSError, ValueError):
        return 0
    return os.fstat(elsewhere).st_size
