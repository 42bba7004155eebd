"""The filters that decide which warnings are shown, in their order.

A replaced ``showwarning`` or ``formatwarning`` is shown only (that of logging.captureWarnings, by
the logging facet), as is a filter whose category can't be imported by name. A category of the main
module goes as the class itself: a worker that has another main module gets it by value.
"""

from __future__ import annotations

import _warnings

from workerstate.facets import LibraryFacet
from workerstate.fingerprint import LONGEST, Text, describe_value
from workerstate.fingerprint.classes import imported, module_namespace, name_of, qualified
from workerstate.program import MAIN, load, reference
from workerstate.values import Captured

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class WarningsFacet(LibraryFacet):
    """``filters``: tuples of action, message, category, module and line number."""

    name = "warnings"
    phase = "task"  # with -X context_aware_warnings each context may have its own filters

    def capture(self) -> Captured:
        """Read the filters in force in the calling context."""
        observed: dict[str, Any] = {}
        filters = []
        for entry in list(current_filters()):
            plain = _plain(entry)
            if plain is None:
                observed["other filters"] = Text(_say_other(entry))
            else:
                filters.append(plain)
        namespace = module_namespace("warnings") or {}
        for name in ("showwarning", "formatwarning"):
            function = namespace.get(name)
            original = namespace.get(f"_{name}_orig", function)
            if function is not original and function is not imported("logging", "_showwarning"):
                observed[name] = Text(describe_value(function))
        return Captured({"filters": tuple(filters)}, observed)

    def apply(self, settings: Mapping[str, Any]) -> None:
        """Put the filters in place of the present ones."""
        if "filters" not in settings or self.capture().settings == settings:
            return
        import warnings

        made: list[Any] = [_make(*entry) for entry in settings["filters"]]
        warnings.resetwarnings()
        add = warnings._add_filter  # type: ignore[attr-defined]
        for entry in made:
            add(*entry, append=True)

    def describe(self, key: str, value: object, *, values: bool = False) -> str:
        """Say the first filters in words, and a hash of all."""
        if key != "filters" or type(value) is not tuple:
            return super().describe(key, value, values=values)
        words = ", ".join(f"{entry[0]} {_category_name(entry[2])}" for entry in value)
        if len(words) > LONGEST:
            words = words[: LONGEST - 1] + "…"
        named = tuple((*entry[:2], _category_name(entry[2]), *entry[3:]) for entry in value)
        return f"{len(value)}: {words} {describe_value(named).rpartition(' ')[2]}"


def current_filters() -> list[Any]:
    """Give the list of filters in force, which from 3.14 on may belong to the context."""
    namespace = module_namespace("warnings") or {}
    get = namespace.get("_get_filters")
    filters: list[Any] = namespace.get("filters", _warnings.filters) if get is None else get()
    return filters


def _plain(entry: tuple[Any, ...]) -> tuple[Any, ...] | None:
    action, message, category, module, line = entry
    held: Any = reference(category)
    if issubclass(type(category), type):
        home, name = qualified(category)
        # A class that was sent by value stands nowhere in the main module of its worker.
        if home in MAIN and "<locals>" not in name:
            held = category
    return None if held is None else (action, _text(message), held, _text(module), line)


def _category_name(category: Any) -> str:
    """Give the bare name of a category, which is held by ``module:name`` or as it is."""
    name = category if type(category) is str else name_of(category)
    return str(name.rpartition(":")[2].rpartition(".")[2])


def _text(pattern: Any) -> Any:
    """Give a compiled pattern as its text and flags; None and the interpreter's own text as is."""
    return pattern if pattern is None or type(pattern) is str else (pattern.pattern, pattern.flags)


def _make(action: str, message: Any, category: Any, module: Any, line: int) -> tuple[Any, ...]:
    kind = load(category) if type(category) is str else category
    return (action, _compiled(message), kind, _compiled(module), line)


def _compiled(pattern: Any) -> Any:
    if type(pattern) is not tuple:
        return pattern
    import re

    return re.compile(*pattern)


def _say_other(entry: tuple[Any, ...]) -> str:
    return f"{entry[0]} {name_of(entry[2]) if issubclass(type(entry[2]), type) else '?'}"


facet = WarningsFacet()
