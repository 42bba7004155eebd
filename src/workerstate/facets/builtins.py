"""The names that every module can use. Only drift reads it: a process is compared with its past."""

from __future__ import annotations

import builtins

from workerstate.facets import Facet
from workerstate.values import UNSET, Captured, is_unset

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class BuiltinsFacet(Facet):
    """Keys are the attributes of the module ``builtins``."""

    name = "builtins"

    def capture(self) -> Captured:
        """Read them, as they are."""
        names = dict(vars(builtins))
        names.pop("_", None)  # what an interactive session showed last
        return Captured(names, {})

    def apply(self, settings: Mapping[str, Any]) -> None:
        """Set the given names; delete those whose value is UNSET."""
        namespace = vars(builtins)
        for name, value in settings.items():
            if is_unset(value):
                namespace.pop(name, None)
            elif namespace.get(name, UNSET) is not value:
                namespace[name] = value


facet = BuiltinsFacet()
