"""What a worker of ours runs for joblib: a few tasks, with what their own Parallel calls go by."""

from __future__ import annotations

from joblib import parallel_config, register_parallel_backend

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Batch:
    """Tasks that are sent together.

    Args:
        items: a function, its arguments and its keyword arguments per task.
        nested: the backend and the number of jobs of Parallel calls that these tasks make.
    """

    __slots__ = ("items", "nested")

    def __init__(self, items: list[tuple[Any, Any, Any]], nested: tuple[Any, Any]) -> None:
        self.items = items
        self.nested = nested

    def __call__(self) -> list[Any]:
        """Run them; give their results."""
        backend, n_jobs = self.nested
        with parallel_config(backend=backend, n_jobs=n_jobs):
            return [fn(*args, **kwargs) for fn, args, kwargs in self.items]

    def __reduce__(self) -> Any:
        return Batch, (self.items, self.nested)


def _backend(*args: Any, **given: Any) -> Any:
    from workerstate.backends.joblib import make_backend

    return make_backend(*args, **given)


# The parent's functions may name the backend inside tasks.
register_parallel_backend("workerstate", _backend)
