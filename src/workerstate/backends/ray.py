"""ray: a runtime environment whose workers start as a spec declares.

``ray.init(runtime_env=spec.ray())`` starts each worker before its first task; ``spec.bind`` brings
the per-task part. ray would retry, and then give another reason for, a start that raises, so the
error is kept for the bound tasks, which raise it.
"""

from __future__ import annotations

from workerstate.fleet import Fleet
from workerstate.workerside import begin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from workerstate.spec import WorkerSpec


def runtime_env(spec: WorkerSpec) -> dict[str, Any]:
    """Give the runtime environment; add your own keys to it."""
    fleet = Fleet(spec, backend="ray", own=False, remote=True)
    return {"worker_process_setup_hook": Hook(fleet.orders())}


class Hook:
    """What each worker calls when it starts."""

    # ray asks a hook for its name.
    __name__ = __qualname__ = "workerstate.start"

    def __init__(self, orders: tuple[Any, ...]) -> None:
        self._orders = orders

    def __call__(self) -> None:
        """Start this worker as declared; what goes wrong is for its bound tasks to tell."""
        begin(*self._orders)
