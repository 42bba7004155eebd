"""Running threads and open files. Neither can be carried, so both are shown only."""

from __future__ import annotations

import os
import sys

from workerstate.facets import OWN_FDS, LibraryFacet
from workerstate.fingerprint import Text
from workerstate.fingerprint.classes import attributes_of, module_namespace
from workerstate.values import Captured

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

__all__ = ["OWN_FDS", "facet"]

_MOST_FDS = 200


class ThreadsFacet(LibraryFacet):
    """Python threads other than the main one, by name, and open file descriptors, by kind."""

    name = "threads"

    def capture(self) -> Captured:
        """Read both; the observer's own descriptors are left out."""
        names = thread_names()
        observed: dict[str, Any] = {"threads": len(sys._current_frames()) - 1}
        if names:
            observed["names"] = Text(", ".join(names)[:200])
        kinds = open_files()
        if kinds is not None:
            said = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
            observed["files"] = Text(f"{sum(kinds.values())} ({said})")
        return Captured({}, observed)

    def apply(self, settings: Mapping[str, Any]) -> None:
        """Change nothing: there are no settings."""


def thread_names() -> list[str]:
    """Give the names of the running threads other than the main one, sorted."""
    threading = module_namespace("threading")
    active = None if threading is None else threading.get("_active")
    if type(active) is not dict:
        return []
    main = threading.get("_main_thread") if threading else None
    others = [thread for thread in list(active.values()) if thread is not main]
    return sorted(str(attributes_of(thread).get("_name")) for thread in others)


def open_files() -> dict[str, int] | None:
    """Count the open file descriptors above 2 by kind; None where there is no /proc."""
    try:
        numbers = os.listdir("/proc/self/fd")
    except OSError:
        return None
    kinds: dict[str, int] = {}
    for number in numbers[:_MOST_FDS]:
        if int(number) <= 2 or int(number) in OWN_FDS:
            continue
        try:
            target = os.readlink(f"/proc/self/fd/{number}")
        except OSError:  # the descriptor that listed the directory
            continue
        kind = _kind(target)
        kinds[kind] = kinds.get(kind, 0) + 1
    return kinds


def _kind(target: str) -> str:
    if target.startswith("/"):
        return "device" if target.startswith("/dev/") else "file"
    return (
        target.partition(":")[2].strip("[]")
        if target.startswith("anon")
        else target.partition(":")[0]
    )


facet = ThreadsFacet()
