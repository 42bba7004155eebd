"""Lets tasks wait for each other, so that each has a worker of its own, and print whole lines."""

# ruff: noqa: T201 - what these programs print is evidence.

from __future__ import annotations

import os
import time
from pathlib import Path

# A worker that never comes must not hold up the others for ever.
PATIENCE_S = 30.0


def meet(place: str, expected: int) -> None:
    """Wait until ``expected`` tasks have come to ``place``, a folder that need not be there."""
    folder = Path(place)
    folder.mkdir(exist_ok=True)
    (folder / f"{os.getpid()}-{time.monotonic_ns()}").touch()
    deadline = time.monotonic() + PATIENCE_S
    while sum(1 for _ in folder.iterdir()) < expected and time.monotonic() < deadline:
        time.sleep(0.005)


def tell(line: str) -> None:
    """Print a line in one piece: print may write the end of a line by itself."""
    print(line + "\n", end="", flush=True)
