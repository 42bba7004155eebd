"""The interpreter's and the process's limits.

The limits of the operating system (rlimits, nice value, CPU affinity) are shown only: they are
for who starts a process to set, and lowered ones can't be raised again.
"""

from __future__ import annotations

import gc
import os
import sys

from workerstate.facets import LibraryFacet
from workerstate.fingerprint.classes import imported, is_imported
from workerstate.values import Captured

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class LimitsFacet(LibraryFacet):
    """Recursion, garbage collection, thread switching, number conversion, socket timeout."""

    name = "limits"

    def capture(self) -> Captured:
        """Read the limits; those of modules that the program has not imported are left out."""
        settings: dict[str, Any] = {
            "recursion_limit": sys.getrecursionlimit(),
            "switch_interval": sys.getswitchinterval(),
            "gc_enabled": gc.isenabled(),
            "gc_threshold": gc.get_threshold(),
        }
        digits = getattr(sys, "get_int_max_str_digits", None)  # from 3.10.7 on
        if digits is not None:
            settings["int_max_str_digits"] = digits()
        for key, (module, getter, _) in _LIBRARIES.items():
            if is_imported(module):
                settings[key] = imported(module, getter)()
        return Captured(settings, self._observed())

    def _observed(self) -> dict[str, Any]:
        observed: dict[str, Any] = {
            "gc_frozen": gc.get_freeze_count() > 0,
            "nice": os.nice(0),
        }
        if hasattr(os, "sched_getaffinity"):
            observed["cpus"] = sorted(os.sched_getaffinity(0))
        if is_imported("resource"):
            getrlimit = imported("resource", "getrlimit")
            for name in ("RLIMIT_AS", "RLIMIT_CORE", "RLIMIT_NOFILE", "RLIMIT_NPROC"):
                observed[name.lower()] = getrlimit(imported("resource", name))
        return observed

    def apply(self, settings: Mapping[str, Any]) -> None:
        """Set those limits that differ."""
        present = self.capture().settings
        for key, value in settings.items():
            if present.get(key) != value:
                _set(key, value)


_LIBRARIES = {
    "csv_field_size": ("_csv", "field_size_limit", "field_size_limit"),
    "socket_timeout": ("_socket", "getdefaulttimeout", "setdefaulttimeout"),
}


def _set(key: str, value: Any) -> None:
    if key == "recursion_limit":
        sys.setrecursionlimit(value)
    elif key == "switch_interval":
        sys.setswitchinterval(value)
    elif key == "gc_enabled":
        gc.enable() if value else gc.disable()
    elif key == "gc_threshold":
        gc.set_threshold(*value)
    elif key == "int_max_str_digits":
        sys.set_int_max_str_digits(value)
    elif key in _LIBRARIES:
        module, _, setter = _LIBRARIES[key]
        getattr(__import__(module), setter)(value)


facet = LimitsFacet()
