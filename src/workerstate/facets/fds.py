"""How many files this process has open. Only drift reads it; their kinds are in ``threads``."""

from __future__ import annotations

import os

from workerstate.facets import Facet
from workerstate.values import Captured

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_PLACE = "/proc/self/fd"


class FdsFacet(Facet):
    """``open``: the number of file descriptors."""

    name = "fds"
    growth = 32

    def capture(self) -> Captured:
        """Count them; nothing where there is no /proc."""
        try:
            # Since Linux 6.2 the directory's size is their number; before, it is 0.
            count = os.stat(_PLACE).st_size or len(os.listdir(_PLACE)) - 1
        except OSError:
            return Captured({}, {})
        return Captured({}, {"open": count})

    def apply(self, settings: Mapping[str, Any]) -> None:
        """Change nothing: there are no settings."""

    def describe(self, key: str, value: object, *, values: bool = False) -> str:
        """Say the number."""
        return str(value)


facet = FdsFacet()
