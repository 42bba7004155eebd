"""What is in ``sys.modules``. Only drift reads it: a process is compared with its own past."""

from __future__ import annotations

import sys

from workerstate.facets import Facet
from workerstate.fingerprint import describe_value
from workerstate.fingerprint.classes import ModuleType, attributes_of
from workerstate.values import UNSET, Captured, is_unset

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class SysModulesFacet(Facet):
    """Keys are the names of modules."""

    name = "sys_modules"

    def capture(self) -> Captured:
        """Read them, as they are."""
        return Captured(dict(sys.modules), {})

    def apply(self, settings: Mapping[str, Any]) -> None:
        """Put the given modules there; take out those whose value is UNSET."""
        for name, value in settings.items():
            if is_unset(value):
                sys.modules.pop(name, None)
            elif sys.modules.get(name, UNSET) is not value:
                sys.modules[name] = value

    def describe(self, key: str, value: object, *, values: bool = False) -> str:
        """Say the module, and whether the import system made it."""
        if not issubclass(type(value), ModuleType):
            return f"no module ({describe_value(value)})"
        made = attributes_of(value).get("__spec__") is not None
        return describe_value(value) + ("" if made else " (not imported)")


facet = SysModulesFacet()
