"""What ``structlog.contextvars.bind_contextvars`` has bound in the calling context."""

from __future__ import annotations

from workerstate.facets import Facet
from workerstate.fingerprint.classes import imported
from workerstate.values import Captured, is_unset

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class StructlogContextFacet(Facet):
    """Keys are the names that were bound."""

    name = "structlog_context"
    module = "structlog"
    phase = "task"
    sparse = True
    imports = True

    def capture(self) -> Captured:
        """Read what is bound here."""
        read = imported("structlog.contextvars", "get_contextvars")
        return Captured({} if read is None else read(), {})

    def apply(self, settings: Mapping[str, Any]) -> None:
        """Bind what differs in the calling context; UNSET unbinds."""
        from structlog.contextvars import bind_contextvars, unbind_contextvars

        now = self.capture().settings
        for name, value in settings.items():
            if is_unset(value):
                unbind_contextvars(name)
            elif now.get(name, settings) is not value:
                bind_contextvars(**{name: value})


facet = StructlogContextFacet()
