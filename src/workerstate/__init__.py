"""Know what your workers start with, declare what they must start with, keep it so.

Every worker imports this package, so the public names are loaded when first used.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from workerstate.errors import FacetError, WorkerstateError
    from workerstate.snapshot import compare, take_snapshot
    from workerstate.values import Captured, Difference, Finding, Snapshot

__version__ = "0.1.0"

_HOME = {
    "Captured": "values",
    "Difference": "values",
    "FacetError": "errors",
    "Finding": "values",
    "Snapshot": "values",
    "WorkerstateError": "errors",
    "compare": "snapshot",
    "take_snapshot": "snapshot",
}

__all__ = [
    "Captured",
    "Difference",
    "FacetError",
    "Finding",
    "Snapshot",
    "WorkerstateError",
    "__version__",
    "compare",
    "take_snapshot",
]


def __getattr__(name: str) -> object:
    """Load a public name from the module that defines it (PEP 562)."""
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'workerstate' has no attribute {name!r}")
    module = __import__(f"workerstate.{home}", fromlist=[name])
    value: object = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
