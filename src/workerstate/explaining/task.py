"""``workerstate.explain``: what a task ships to a worker and makes it import."""

from __future__ import annotations

from typing import Any

from workerstate.errors import SpecError
from workerstate.explaining import picklers, shipping
from workerstate.explaining.functions import place, title
from workerstate.explaining.values import Explanation


def explain(task: Any, /, *args: Any, **kwargs: Any) -> Explanation:
    """Say what ``task(*args, **kwargs)`` ships to a worker, and what it makes the worker import.

    Nothing is run but what pickling runs (``__reduce__``, ``__getstate__``), and in a fresh
    interpreter the top level of the modules that a worker would import. Sizes are bytes of the
    pickle; times are of that interpreter. It says so for multiprocessing, and for joblib (or loky)
    where that is installed. ``str()`` of what it gives is the text for a person.

    Raises:
        SpecError: ``task`` can't be called.
    """
    return explain_for(picklers.usual(), task, args, kwargs)


def explain_for(
    names: list[str], task: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
) -> Explanation:
    """Explain a call for the backends of those names (see ``picklers.BACKENDS``).

    Raises:
        SpecError: ``task`` can't be called.
        BackendUnavailableError: a backend's library is not installed.
    """
    if not callable(task):
        raise SpecError(f"explain what? A {type(task).__name__} can't be called: give a function")
    backends = [picklers.backend(name) for name in names]
    rows = [shipping.ship(backend, task, args, kwargs or {}) for backend in backends]
    return Explanation(title(task), place(task), tuple(rows))
