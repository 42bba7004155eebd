"""Workers that are threads of the parent, or the caller itself: what they share and give back."""

from __future__ import annotations

from _thread import RLock, _local

from workerstate.applying import in_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from workerstate.workerside import Here

    Settings = Mapping[str, Mapping[str, Any]]


class Threads:
    """The in-process workers of one pool.

    What ``set=`` gives of state that belongs to the whole process is applied when the first of them
    starts and put back when the pool is closed; meanwhile the parent has it too.
    """

    def __init__(self) -> None:
        self.lock = RLock()
        self.workers = _local()
        self._heres: list[Here] = []
        self._before: Settings | None = None

    def enter(self, here: Here) -> int:
        """Take in one more worker; give its number."""
        with self.lock:
            self._heres.append(here)
            return len(self._heres) - 1

    def share(self, given: Settings) -> None:
        """Apply what belongs to the whole process, once."""
        with self.lock:
            if self._before is None:
                self._before = replace({k: v for k, v in given.items() if k not in in_thread()})

    def close(self) -> None:
        """Close what the workers hold, and put back what was applied to the whole process."""
        with self.lock:
            for here in reversed(self._heres):
                here.close()
            self._heres.clear()
            if self._before:
                from workerstate.snapshot import apply_settings

                apply_settings(self._before)
            self._before = None
            self.workers = _local()


def replace(settings: Settings) -> dict[str, dict[str, Any]]:
    """Apply settings here, and give those that put back what was there before."""
    if not settings:
        return {}
    from workerstate.facets import CONTEXTS, get
    from workerstate.snapshot import apply_settings
    from workerstate.values import UNSET

    before: dict[str, dict[str, Any]] = {}
    wanted = dict(settings)
    for name, values in settings.items():
        facet: Any = get(name)
        if hasattr(facet, "declared"):
            before[name] = facet.declared(list(values))
            continue
        now = facet.capture().settings
        if name in CONTEXTS:  # what an earlier task brought, and the parent has unbound since
            wanted[name] = values = {**dict.fromkeys(now, UNSET), **values}
        before[name] = {key: now.get(key, UNSET) for key in values}
    apply_settings(wanted)
    return before


fleets: dict[str, Threads] = {}


def close(fleet: str) -> None:
    """Close the in-process workers of that fleet, if there are any."""
    found = fleets.pop(fleet, None)
    if found is not None:
        found.close()
