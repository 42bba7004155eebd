"""Levels that the program has added to loguru, and the modules whose records it has turned off.

Sinks stay in the parent, and so do extras and patchers of ``configure``: the parent's logger adds
them to records that come from workers.
"""

from __future__ import annotations

from workerstate.facets import LibraryFacet
from workerstate.fingerprint.classes import attributes_of, imported
from workerstate.values import Captured, is_unset

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_OWN = ("TRACE", "DEBUG", "INFO", "SUCCESS", "WARNING", "ERROR", "CRITICAL")


class LoguruFacet(LibraryFacet):
    """Keys are ``level <name>`` and ``enabled <module>``."""

    name = "loguru"
    module = "loguru"
    sparse = True
    imports = True

    def capture(self) -> Captured:
        """Read the levels, as number, colour and icon, and which modules are on or off."""
        core = attributes_of(attributes_of(imported("loguru", "logger")).get("_core"))
        settings: dict[str, Any] = {
            f"level {name}": tuple(level)[1:]
            for name, level in list(core.get("levels", {}).items())
            if name not in _OWN
        }
        # loguru keeps names with a dot at their end: "app." is app and all inside it.
        said = list(core.get("activation_list", ()))
        off = tuple(name for name, enabled in said if not enabled)
        for name, enabled in said:
            if name.startswith(off):  # else it is on anyway
                settings[f"enabled {name.removesuffix('.')}"] = enabled
        return Captured(settings, {})

    def apply(self, settings: Mapping[str, Any]) -> None:
        """Add levels and turn modules on or off; a level can't go again."""
        from loguru import logger

        # What goes back first, then whole packages before what is inside them: each of these
        # forgets what was said of the modules inside.
        for key in sorted(settings, key=lambda each: (not is_unset(settings[each]), len(each))):
            kind, _, name = key.partition(" ")
            value = settings[key]
            if kind == "enabled":
                (logger.enable if is_unset(value) or value else logger.disable)(name)
            elif not is_unset(value):
                _add_level(logger, name, *value)


def _add_level(logger: Any, name: str, number: int, color: str, icon: str) -> None:
    try:
        present = logger.level(name)
    except ValueError:
        logger.level(name, no=number, color=color, icon=icon)
        return
    if tuple(present)[2:] != (color, icon):
        logger.level(name, color=color, icon=icon)


facet = LoguruFacet()
