"""What ``logger.contextualize`` of loguru has bound in the calling context."""

from __future__ import annotations

from workerstate.facets import Facet
from workerstate.fingerprint.classes import imported
from workerstate.values import Captured, is_unset

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class LoguruContextFacet(Facet):
    """Keys are the names that were bound."""

    name = "loguru_context"
    module = "loguru"
    phase = "task"
    sparse = True
    imports = True

    def capture(self) -> Captured:
        """Read what is bound here."""
        context = imported("loguru._logger", "context")  # loguru has no other way to ask
        return Captured({} if context is None else dict(context.get()), {})

    def apply(self, settings: Mapping[str, Any]) -> None:
        """Bind in the calling context; UNSET unbinds."""
        import loguru  # noqa: F401  # context is part of it

        now = self.capture().settings
        bound = {k: value for k, value in {**now, **settings}.items() if not is_unset(value)}
        if bound.keys() != now.keys() or any(bound[name] is not now[name] for name in bound):
            imported("loguru._logger", "context").set(bound)


facet = LoguruContextFacet()
