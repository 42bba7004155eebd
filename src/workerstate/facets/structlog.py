"""What ``structlog.configure`` was called with."""

from __future__ import annotations

from workerstate.facets import LibraryFacet
from workerstate.fingerprint.classes import imported
from workerstate.values import Captured, is_unset

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class StructlogFacet(LibraryFacet):
    """One key per option of ``structlog.configure``; none where it was not called."""

    name = "structlog"
    module = "structlog"
    sparse = True
    imports = True

    def capture(self) -> Captured:
        """Read the options; processors and factories are the objects themselves."""
        configured = imported("structlog", "is_configured")
        if configured is None or not configured():  # None: its import is not over
            return Captured({}, {})
        return Captured(dict(imported("structlog", "get_config")()), {})

    def apply(self, settings: Mapping[str, Any]) -> None:
        """Configure what differs; UNSET is to be as if nothing had been configured.

        Loggers that have cached their configuration keep it (``cache_logger_on_first_use``).
        """
        import structlog

        if any(map(is_unset, settings.values())):
            structlog.reset_defaults()
        now = self.capture().settings
        wanted = {
            name: value
            for name, value in settings.items()
            if not is_unset(value) and now.get(name) is not value
        }
        if wanted:
            structlog.configure(**wanted)


facet = StructlogFacet()
