"""Who started a process, how, and for which pool: one ``Origin`` for each process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workerstate.observe.reading import Event, Process, Recording

# Targets of processes that a library starts for itself.
_HELPER_TARGETS = {
    "multiprocessing.managers:": "manager",
    "multiprocessing.resource_tracker:": "resource tracker",
    "mpire.comms:": "queue drainer",
}
_PROGRAM_HELPERS = {
    "tracker": ("resource tracker", "multiprocessing"),
    "forkserver": ("fork server", "multiprocessing"),
    "template": ("template", "workerstate"),
}


@dataclass
class Origin:
    """Where a process comes from.

    ``role`` is ``main``, ``worker`` or what kind of helper it is; ``parent`` is the process that
    asked for it (not the fork server that made it); ``launch`` is the parent's line about it.
    """

    role: str
    backend: str
    start_method: str
    parent: Process | None
    launch: Event | None

    @property
    def pool(self) -> int | None:
        """The mark of the pool that the process works for, in its parent."""
        return self.launch.get("pool") if self.launch else None


def origins(recording: Recording) -> dict[str, Origin]:
    """Give the origin of each process, by the name of its journal."""
    out: dict[str, Origin] = {}
    taken: set[int] = set()
    for process in recording.processes:
        if process is recording.main:
            out[process.journal] = Origin("main", "", "", None, None)
            continue
        out[process.journal] = _origin(recording, process, taken)
    return out


def _origin(recording: Recording, process: Process, taken: set[int]) -> Origin:
    boot = process.bootstrap or {}
    maker = recording.at(process.ppid, process.started - 1)
    parent = recording.at(boot.get("parent"), process.started - 1) or maker
    launch = _launch(process, parent, taken)
    how, target = process.how, boot.get("target") or ""
    if how in _PROGRAM_HELPERS:
        role, backend = _PROGRAM_HELPERS[how]
        return Origin(role, backend, how, parent, launch)
    helper = next(
        (kind for start, kind in _HELPER_TARGETS.items() if target.startswith(start)), None
    )
    if helper is not None:
        role = helper
    elif how == "exec" and process.script_of:
        role = f"program of {process.script_of}"
    elif how == "fork" and not boot and maker is not None and maker.how == "template":
        role = "fork of a template"  # it forks workers, or looks after the template
    else:
        role = "worker"
    if how == "fork" and maker is not None and maker.how == "forkserver":
        method = "forkserver"
    else:
        method = "subprocess" if how == "exec" else str(boot.get("method") or how)
    backend = _backend(process, parent, launch, boot)
    if method == "forkserver" and backend == "os.fork":
        backend = "multiprocessing"
    return Origin(role, backend, method, parent, launch)


def _launch(process: Process, parent: Process | None, taken: set[int]) -> Event | None:
    """Find the parent's line about this process: the same name, the last one before its start."""
    boot = process.bootstrap
    if parent is None or boot is None:
        return None
    found = None
    for event in parent.launches:
        late = event["t"] > (boot.get("t") or process.started)
        if event["name"] == boot["name"] and not late and id(event) not in taken:
            found = event
    if found is not None:
        taken.add(id(found))
    return found


def _backend(process: Process, parent: Process | None, launch: Event | None, boot: Any) -> str:
    if process.how == "ray":
        return "ray"
    if not boot:
        return {"exec": "subprocess", "fork": "os.fork", "loky": "loky"}.get(
            process.how, "multiprocessing"
        )
    pool = launch.get("pool") if launch else None
    if parent is not None and pool is not None:
        for call in parent.calls:
            if call["pool"] == pool:
                return str(call["library"])
    return str(boot.get("library") or "multiprocessing")


class Calls:
    """Finds the call that submitted a task: by the pool's mark and the task's number in it."""

    def __init__(self, recording: Recording) -> None:
        self._by_pool: dict[tuple[str, int], list[Event]] = {}
        for process in recording.processes:
            for call in process.calls:
                self._by_pool.setdefault((process.journal, call["pool"]), []).append(call)

    def of(self, origin: Origin, work: int | None, moment: int) -> Event | None:
        """Give the call, or None where the backend's calls are not seen."""
        if origin.parent is None or origin.pool is None or work is None:
            return None
        for call in reversed(self._by_pool.get((origin.parent.journal, origin.pool), ())):
            # A pool's mark may be used again by a later pool, whose first call comes later.
            if call["first"] <= work and call["t"] <= moment:
                return call
        return None
