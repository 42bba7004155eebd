"""What is done about drift: told, refused, put back, or the end of the worker."""

from __future__ import annotations

import os

from workerstate.drift import retiring
from workerstate.drift.change import Drift
from workerstate.errors import DriftError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from workerstate.drift.policy import Policies
    from workerstate.drift.reading import Change
    from workerstate.drift.reports import Outbox
    from workerstate.drift.watch import Watch

_WRAPPED = ("__wrapped__", "func", "function")


class Actor:
    """Does what one worker's policies say.

    Args:
        policies: the spec's.
        outbox: the way to the parent.
        number: the worker's.
        own: whether the pool is our own Executor's.
    """

    def __init__(self, policies: Policies, outbox: Outbox, number: int, *, own: bool) -> None:
        self._policies = policies
        self._outbox = outbox
        self._number = number
        self._own = own

    def act(
        self,
        fn: Callable[..., Any],
        found: dict[str, list[Change]],
        since: dict[str, int],
        failed: bool,
        watch: Watch,
    ) -> None:
        """Do about each facet's changes what its policy says.

        Raises:
            DriftError: a policy is ``error``, and the task has not failed by itself.
        """
        name = task_name(fn)
        told: list[Drift] = []
        refused: list[Drift] = []
        for facet, changes in found.items():
            policy = self._policies.of(facet)
            problem = ""
            if policy in ("reset", "error"):
                problem = self._put_back(facet, changes, watch, stay=policy == "error")
            elif policy == "retire":
                problem = self._retire(facet, changes, watch)
            row = [
                Drift(name, facet, *change, policy, self._number, os.getpid(), since[facet])
                for change in changes
            ]
            if policy == "error" and failed:
                problem = problem or "the task failed by itself"
            told += [each.replace(problem=problem) for each in row]
            refused += row if policy == "error" else []
        self._outbox.tell(told)
        if refused and not failed:
            raise DriftError(*refused)

    def tell_fault(self, fn: Callable[..., Any], error: Exception) -> None:
        """Tell the parent that drift could not be looked for."""
        problem = f"drift could not be checked after it: {type(error).__name__}: {error}"
        where = (self._number, os.getpid())
        self._outbox.tell([Drift(task_name(fn), "", "", None, None, "", *where, 1, problem)])

    def _put_back(self, facet: str, changes: list[Change], watch: Watch, *, stay: bool) -> str:
        """Put a facet back; give the reason where that can't be. Then the worker is to end."""
        try:
            left = watch.put_back(facet, [key for key, _, _ in changes])
        except Exception as error:  # of the program's objects, or of the operating system
            reason = f"{type(error).__name__}: {error}"
        else:
            if not left:
                return ""
            reason = ", ".join(f"{key} is still {after}" for key, _, after in left)
        said = f"it can't be put back ({reason})"
        if stay:
            return said
        obstacle = retiring.retire(own=self._own)
        if obstacle:
            return f"{said}, and this worker goes on: {obstacle}"
        return f"{said}, so this worker ends"

    def _retire(self, facet: str, changes: list[Change], watch: Watch) -> str:
        obstacle = retiring.retire(own=self._own)
        if not obstacle:
            return ""
        said = self._put_back(facet, changes, watch, stay=True) or "it was put back instead"
        return f"this worker can't be retired ({obstacle}); {said}"


def task_name(fn: Any) -> str:
    """Give the user's function as ``module.name``, below what libraries put around it."""
    for _ in range(8):
        if isinstance(getattr(fn, "__qualname__", None), str):
            break
        inside = next((each for name in _WRAPPED if (each := getattr(fn, name, None))), None)
        if not callable(inside):
            fn = type(fn)
            break
        fn = inside
    module = getattr(fn, "__module__", None) or "?"
    return f"{'__main__' if module == '__mp_main__' else module}.{fn.__qualname__}"
