"""How much memory this process holds (its resident set). Only drift reads it: two always differ."""

from __future__ import annotations

import os

from workerstate.facets import Facet
from workerstate.values import Captured

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


class MemoryFacet(Facet):
    """``resident``: bytes. Pages that it shares with the process it was forked from count too."""

    name = "memory"
    growth = 300_000_000  # as loky restarts its workers

    def capture(self) -> Captured:
        """Read /proc/self/statm; nothing where there is none."""
        try:
            statm = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return Captured({}, {})
        try:
            pages = int(os.read(statm, 64).split()[1])
        finally:
            os.close(statm)
        return Captured({}, {"resident": pages * _PAGE})

    def apply(self, settings: Mapping[str, Any]) -> None:
        """Change nothing: there are no settings."""

    def describe(self, key: str, value: object, *, values: bool = False) -> str:
        """Say the size in MB (10**6 bytes)."""
        return f"{value / 10**6:.1f} MB" if isinstance(value, int) else "unknown"


facet = MemoryFacet()
