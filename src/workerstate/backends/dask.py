"""dask.distributed: a plugin that starts workers as declared, and an executor for their tasks.

client.register_plugin(spec.dask())              # workers start before their first task
pool = spec.over(client.get_executor())          # tasks bring state of now, and their seeds
"""

from __future__ import annotations

from workerstate.errors import BackendUnavailableError
from workerstate.fleet import Fleet, Initializer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from workerstate.spec import WorkerSpec


def plugin(spec: WorkerSpec) -> Any:
    """Give a WorkerPlugin, named by what it declares, so that registering it twice is once.

    Raises:
        BackendUnavailableError: dask.distributed is not installed.
    """
    try:
        from distributed import WorkerPlugin
    except ImportError as error:
        raise BackendUnavailableError("distributed", "dask") from error

    class Plugin(WorkerPlugin):  # type: ignore[misc]
        """Starts each worker of the cluster, those that join later too."""

        name = f"workerstate-{spec.identity}"

        def __init__(self) -> None:
            self._start = Initializer(Fleet(spec, backend="dask", own=False, remote=True))

        def setup(self, worker: Any) -> None:
            """Start the worker; dask tells who registered the plugin what goes wrong."""
            self._start()

    return Plugin()
