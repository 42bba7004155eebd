"""The memory of each observed process, looked at from outside while the program runs.

A process that is killed can't say how much it had, and one that runs a long task does not: the
launcher, which only waits, looks in its place.
"""

from __future__ import annotations

import os
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


class MemoryWatch:
    """The resident memory last seen of each process that has a journal, in bytes."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        self.interval = 0.25
        self.last: dict[str, list[int]] = {}

    def look(self) -> None:
        """Look once at every process: its journal's name maps to [last, highest]."""
        try:
            names = [name for name in os.listdir(self._folder) if name.endswith(".jsonl")]
        except OSError:
            return
        for name in names:
            pid = name.partition("-")[0]
            try:
                with open(f"/proc/{pid}/statm", "rb") as file:
                    resident = int(file.read().split()[1]) * _PAGE
            except (OSError, ValueError, IndexError):
                continue
            highest = self.last.get(name, (0, 0))[1]
            self.last[name] = [resident, max(resident, highest)]
