"""Precision, rounding and traps of decimal arithmetic: of this context, and of new threads.

The flags (which signals happened so far) are results, not settings, and are left alone.
"""

from __future__ import annotations

from workerstate.facets import LibraryFacet
from workerstate.fingerprint.classes import imported
from workerstate.values import Captured

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

DEFAULT = "default."
_FIELDS = ("prec", "rounding", "Emin", "Emax", "capitals", "clamp")


class DecimalFacet(LibraryFacet):
    """Keys are a context's attributes; those of ``DefaultContext`` begin with ``default.``."""

    name = "decimal"
    module = "decimal"
    phase = "task"

    def capture(self) -> Captured:
        """Read the contexts; a thread that has none yet would get a copy of DefaultContext."""
        default = imported("decimal", "DefaultContext")
        current = current_context() or default
        settings = _read(current)
        settings.update({DEFAULT + name: value for name, value in _read(default).items()})
        return Captured(settings, {})

    def apply(self, settings: Mapping[str, Any]) -> None:
        """Set what differs; the calling thread's context is made only if something does."""
        import decimal

        for key in sorted(settings, key=lambda key: not key.startswith(DEFAULT)):
            # The default comes first: a context that is made here starts as its copy.
            if self.capture().settings.get(key) == settings[key]:
                continue
            default = key.startswith(DEFAULT)
            context = decimal.DefaultContext if default else decimal.getcontext()
            _set(context, key.removeprefix(DEFAULT), settings[key])


def current_context() -> Any:
    """Give this context's decimal context, or None: ``getcontext`` would make one and fix it."""
    import _contextvars

    kind = imported("decimal", "Context")
    for variable, value in _contextvars.copy_context().items():
        if type(value) is kind and variable.name == "decimal_context":
            return value
    return None


def _read(context: Any) -> dict[str, Any]:
    state = {name: getattr(context, name) for name in _FIELDS}
    state["traps"] = tuple(sorted([kind.__name__ for kind, on in context.traps.items() if on]))
    return state


def _set(context: Any, name: str, value: Any) -> None:
    if name != "traps":
        setattr(context, name, value)
        return
    for kind in context.traps:
        context.traps[kind] = kind.__name__ in value


facet = DecimalFacet()
