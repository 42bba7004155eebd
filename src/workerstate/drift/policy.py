"""What is done about drift, facet by facet."""

from __future__ import annotations

from workerstate.facets import WATCHED
from workerstate.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

POLICIES = ("ignore", "warn", "error", "reset", "retire")
ALL = "*"
# Facets that no task changes, or that are dear to read; looked at where they are named.
ONLY_IF_NAMED = ("flags", "modules", "native_threads")
_UNITS = {
    "": 1,
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KIB": 2**10,
    "MIB": 2**20,
    "GIB": 2**30,
    "TIB": 2**40,
}


class Policies(Value):
    """What is done about drift of which facet.

    Fields:
        default: the policy for facets that are not named.
        named: the policies of those that are.
        limits: by how much memory (in bytes) and fds may grow, where that is given.
    """

    default: str
    named: Mapping[str, str]
    limits: Mapping[str, int]

    @property
    def retires(self) -> bool:
        """Whether a worker may be ended: also for what can't be put back."""
        return not {"retire", "reset"}.isdisjoint([self.default, *self.named.values()])

    def of(self, facet: str) -> str:
        """Give the policy for one facet."""
        return self.named.get(facet, self.default)

    def facets(self) -> tuple[str, ...]:
        """Give the facets that are looked at, in their order."""
        asked = [name for name in WATCHED if self.of(name) != "ignore"]
        wanted = [name for name in asked if name in self.named or name not in ONLY_IF_NAMED]
        others = [n for n, policy in self.named.items() if n not in WATCHED and policy != "ignore"]
        return (*wanted, *others)


def policies(drift: Any) -> Policies | None:
    """Give the policies of a spec's ``drift``; None if all of it is ignored.

    Raises:
        ValueError: a limit is no size.
    """
    given = drift if hasattr(drift, "items") else {ALL: drift}
    named = {}
    limits = {}
    for name, entry in given.items():
        policy, limit = entry if isinstance(entry, (tuple, list)) else (entry, None)
        named[name] = policy
        if limit is not None:
            limits[name] = size(limit)
    default = named.pop(ALL, "ignore")
    made = Policies(default, named, limits)
    return made if made.facets() else None


def size(given: object) -> int:
    """Give a number of bytes, or of descriptors: a whole number, or a text such as ``"300 MB"``.

    MB is 10**6 bytes, MiB 2**20, and so on.

    Raises:
        ValueError: it is neither, or below 1.
    """
    amount: float = -1
    if isinstance(given, int) and not isinstance(given, bool):
        amount = given
    elif isinstance(given, str):
        digits = given.strip().rstrip("BKMGTibkmgt ")
        unit = given.strip()[len(digits) :].strip().upper()
        amount = float(digits) * _UNITS.get(unit, -1)
    if amount < 1:
        raise ValueError(given)
    return int(amount)
