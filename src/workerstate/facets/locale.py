"""The locale of each category, and the time zone in force.

A time zone comes from the variable TZ, which the environ facet carries; applying makes the process
read it again.
"""

from __future__ import annotations

import _locale
import time

from workerstate.facets import LibraryFacet
from workerstate.values import Captured, is_unset

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

CATEGORIES = ("LC_COLLATE", "LC_CTYPE", "LC_MESSAGES", "LC_MONETARY", "LC_NUMERIC", "LC_TIME")


class LocaleFacet(LibraryFacet):
    """Keys are the categories, and ``timezone``: the two names and the offset in seconds."""

    name = "locale"

    def capture(self) -> Captured:
        """Read both; asking changes neither."""
        settings: dict[str, Any] = {
            category: _locale.setlocale(getattr(_locale, category), None)
            for category in CATEGORIES
            if hasattr(_locale, category)
        }
        settings["timezone"] = (*time.tzname, time.timezone)
        return Captured(settings, {})

    def apply(self, settings: Mapping[str, Any]) -> None:
        """Set the categories that differ; read TZ again if the time zone differs."""
        present = self.capture().settings
        for key, value in settings.items():
            if present.get(key) == value:
                continue
            if key == "timezone":
                self._apply_timezone(value)
            else:
                _locale.setlocale(getattr(_locale, key), "C" if is_unset(value) else value)

    def _apply_timezone(self, value: Any) -> None:
        time.tzset()
        now = (*time.tzname, time.timezone)
        if not is_unset(value) and value != now:
            raise self.fail(
                "apply", f"TZ gives the time zone {now}, not {value}; carry environ too"
            )


facet = LocaleFacet()
