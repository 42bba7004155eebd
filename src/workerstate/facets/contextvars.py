"""Context variables of the program's modules, as seen in the calling context.

Those that a spec names (``module:NAME``) are carried; the others are shown only.
"""

from __future__ import annotations

from workerstate.facets import Facet
from workerstate.fingerprint import Text, describe_value, looks_secret, ready
from workerstate.fingerprint.classes import imported
from workerstate.program import load, user_modules
from workerstate.values import Captured

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

_MOST = 100


class ContextvarsFacet(Facet):
    """Keys are ``module:NAME``: where the variable is, not what it calls itself."""

    name = "contextvars"
    module = "_contextvars"
    phase = "task"
    imports = True

    def capture(self) -> Captured:
        """Read the variables that are set and are globals of the program's modules."""
        observed: dict[str, Any] = {}
        context = imported("_contextvars", "copy_context")()
        if len(context):
            kind = imported("_contextvars", "ContextVar")
            for module, namespace in user_modules().items():
                for name, value in list(namespace.items()):
                    if type(value) is kind and value in context and len(observed) < _MOST:
                        observed[f"{module}:{name}"] = ready(context[value], name)
        return Captured({}, observed)

    def declared(self, names: Iterable[str]) -> dict[str, Any]:
        """Give the values of the named variables that are set, as settings."""
        found = {}
        for name in names:
            variable = load(name)
            try:
                found[name] = variable.get()
            except LookupError:
                continue
        return found

    def apply(self, settings: Mapping[str, Any]) -> None:
        """Set the variables in the calling context, importing their modules."""
        for name, value in settings.items():
            variable = load(name)
            missing = object()
            if variable.get(missing) is not value:
                variable.set(value)

    def describe(self, key: str, value: object, *, values: bool = False) -> str:
        """Say the value; that of a secret-looking name stays hidden."""
        if type(value) is Text:
            return value
        return describe_value(value, values=values and not looks_secret(key))


facet = ContextvarsFacet()
