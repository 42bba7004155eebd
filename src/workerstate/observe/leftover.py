"""Ends what is left of a program that was stopped: its workers, their servers and trackers."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from workerstate.observe import hook

_ROUNDS = 20  # a process may start another one while we look
_PAUSE = 0.02


def end(folder: str) -> None:
    """Kill every process that belongs to the recording in ``folder``, and wait for its end.

    A process is known by its journal and by its environment, which names the folder; so this needs
    ``/proc`` and does nothing where there is none.
    """
    for _ in range(_ROUNDS):
        left = [pid for pid in _recorded(folder) if _is_of(pid, folder)]
        if not left:
            return
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        time.sleep(_PAUSE)


def _recorded(folder: str) -> set[int]:
    found = set()
    for path in Path(folder).glob("*.jsonl"):
        number = path.name.partition("-")[0]
        if number.isdecimal():
            found.add(int(number))
    return found - {os.getpid()}


def _is_of(pid: int, folder: str) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        environ = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False
    start = f"{hook.VARIABLE}=".encode()
    end_ = os.fsencode(f"|{folder}")
    mine = any(entry.startswith(start) and entry.endswith(end_) for entry in environ)
    return mine and state not in "ZX"
