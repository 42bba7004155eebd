"""How the interpreter was started: ``-W -O -X`` and the like, and its hash seed.

Nothing of it can be put back in a running interpreter, so all of it is shown only.
"""

from __future__ import annotations

import sys

from workerstate.facets import LibraryFacet
from workerstate.fingerprint import ready
from workerstate.values import Captured

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_NAMES = (
    "bytes_warning",
    "context_aware_warnings",
    "debug",
    "dev_mode",
    "dont_write_bytecode",
    "gil",
    "ignore_environment",
    "inspect",
    "isolated",
    "no_site",
    "no_user_site",
    "optimize",
    "safe_path",
    "thread_inherit_context",
    "utf8_mode",
    "verbose",
    "warn_default_encoding",
)


class FlagsFacet(LibraryFacet):
    """The flags, each under its name in ``sys.flags``."""

    name = "flags"
    phase = "exec"

    def capture(self) -> Captured:
        """Read the flags; ``str_hash`` differs where two processes order sets differently."""
        flags = sys.flags
        observed: dict[str, Any] = {
            name: getattr(flags, name) for name in _NAMES if hasattr(flags, name)
        }
        observed["warnoptions"] = list(sys.warnoptions)
        observed["xoptions"] = dict(sys._xoptions)
        observed["hash_randomization"] = flags.hash_randomization
        observed["str_hash"] = ready(hash("workerstate"))
        return Captured({}, observed)

    def apply(self, settings: Mapping[str, Any]) -> None:
        """Change nothing: there are no settings."""


facet = FlagsFacet()
