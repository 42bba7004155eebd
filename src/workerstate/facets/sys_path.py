"""Where imports look: ``sys.path``, and whether they write bytecode.

Import hooks (finders on ``sys.meta_path``) and ``sys.argv`` are shown only.
"""

from __future__ import annotations

import sys

from workerstate.facets import OWN_PATHS, Facet
from workerstate.fingerprint import Text, describe_value
from workerstate.fingerprint.classes import name_of
from workerstate.values import Captured

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class SysPathFacet(Facet):
    """The import path, in its order."""

    name = "sys_path"
    phase = "exec"

    def capture(self) -> Captured:
        """Read the path without the observer's directories."""
        path = [entry for entry in sys.path if type(entry) is str and entry not in OWN_PATHS]
        finders = [name_of(_class_of(finder)).rpartition(".")[2] for finder in sys.meta_path]
        settings = {"path": path, "dont_write_bytecode": bool(sys.dont_write_bytecode)}
        observed = {
            "argv": [argument for argument in sys.argv if type(argument) is str],
            "finders": Text(", ".join(finders)),
        }
        return Captured(settings, observed)

    def apply(self, settings: Mapping[str, Any]) -> None:
        """Put the path in place of the present one, keeping the observer's directories."""
        if "path" in settings and settings["path"] != self.capture().settings["path"]:
            own = [entry for entry in sys.path if entry in OWN_PATHS]
            sys.path[:] = own + [entry for entry in settings["path"] if entry not in OWN_PATHS]
        if "dont_write_bytecode" in settings:
            sys.dont_write_bytecode = settings["dont_write_bytecode"]

    def describe(self, key: str, value: object, *, values: bool = False) -> str:
        """Say the path and the arguments as sizes and hashes unless values are asked for."""
        return describe_value(value, values=values)


def _class_of(finder: Any) -> type:
    return finder if issubclass(type(finder), type) else type(finder)


facet = SysPathFacet()
