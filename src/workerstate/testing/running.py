"""The processes, threads and open files of this process, and those that libraries keep."""

from __future__ import annotations

import multiprocessing
import os
import sys
from pathlib import Path
from typing import Any

_LOKY = ("loky", "joblib.externals.loky")
# Where libraries keep the ids of helpers that they leave running on purpose.
_HELPERS = (
    ("multiprocessing.resource_tracker", "_resource_tracker", "_pid"),
    ("multiprocessing.forkserver", "_forkserver", "_forkserver_pid"),
    ("loky.backend.resource_tracker", "_resource_tracker", "_pid"),
    ("joblib.externals.loky.backend.resource_tracker", "_resource_tracker", "_pid"),
)


def children() -> set[int]:
    """Give the ids of the processes that this one has started and that run."""
    found = {process.pid for process in multiprocessing.active_children() if process.pid}
    for path in Path(f"/proc/{os.getpid()}/task").glob("*/children"):
        try:
            found.update(map(int, path.read_text().split()))
        except OSError:  # that thread has just ended
            continue
    return {pid for pid in found if _runs(pid)}


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def command(pid: int) -> str:
    """Give the command line of a process, shortened."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return "a process"
    text = b" ".join(words).decode(errors="replace").strip()
    return text if len(text) <= 100 else f"{text[:99]}…"


def kept_processes() -> set[int]:
    """Give the ids of helpers, and of the workers that loky keeps for later calls."""
    found: set[int] = set()
    for module, holder, name in _HELPERS:
        pid = getattr(getattr(sys.modules.get(module), holder, None), name, None)
        found.update([pid] if pid else [])
    for executor in _kept_executors():
        found.update(getattr(executor, "_processes", None) or ())
    return found


def kept_threads() -> set[Any]:
    """Give the threads that serve those workers."""
    found: set[Any] = set()
    for executor in _kept_executors():
        found.add(getattr(executor, "_executor_manager_thread", None))
        found.add(getattr(getattr(executor, "_call_queue", None), "_thread", None))
    return found


def _kept_executors() -> list[Any]:
    modules = [sys.modules.get(f"{name}.reusable_executor") for name in _LOKY]
    storages = [getattr(module, "_executor_storage", None) for module in modules]
    found = [getattr(storage, "executor", None) for storage in storages]
    return [*found, *(getattr(module, "_executor", None) for module in modules)]


def files() -> dict[int, str]:
    """Give the open regular files and sockets. Pipes and such are held by libraries on purpose."""
    found: dict[int, str] = {}
    try:
        numbers = [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:
        return found
    for number in numbers:
        try:
            target = os.readlink(f"/proc/self/fd/{number}")
        except OSError:  # the one that listed the directory
            continue
        if target.startswith("socket:") or (target[0] == "/" and not target.startswith("/dev/")):
            found[number] = target
    return found
