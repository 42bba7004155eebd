"""Facets of third parties: looked up in the parent only, and sent to workers by reference.

A distribution offers one by an entry point of the group ``workerstate.facets``::

    [project.entry-points."workerstate.facets"]
    redis_options = "redis_options.workers:facet"

The environment variable ``WORKERSTATE_NO_PLUGINS=1`` turns them off.
"""

from __future__ import annotations

import os

from workerstate.errors import FacetError

GROUP = "workerstate.facets"
SWITCH = "WORKERSTATE_NO_PLUGINS"

_found: dict[str, str] = {}
_looked: list[bool] = []


def references() -> dict[str, str]:
    """Give the third-party facets by name: ``module:attribute`` for each.

    Raises:
        FacetError: two distributions offer a facet of one name, or one has the name of ours.
    """
    if os.environ.get(SWITCH, "") not in ("", "0"):
        return {}
    if not _looked:
        from importlib.metadata import entry_points

        from workerstate.facets import BUILTIN, CARRIED_ONLY

        for point in entry_points(group=GROUP):
            other = _found.get(point.name)
            if point.name in (*BUILTIN, *CARRIED_ONLY) or other not in (None, point.value):
                whose = other or "workerstate itself"
                raise FacetError(
                    point.name, "lookup", f"offered twice: by {point.value} and by {whose}"
                )
            _found[point.name] = point.value
        _looked.append(True)
    return dict(_found)


def forget() -> None:
    """Look again the next time: a distribution may have been installed since."""
    _looked.clear()
    _found.clear()
