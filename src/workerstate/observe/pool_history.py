"""The pools of one process, followed from call to call, so that each call finds its "before"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workerstate.observe.pool_rule import Event, ExecutorFacts, explain

# What may have become of a pool since the call that last used it. The arguments and cpu_count of
# that call are kept: they are what the library compares with.
_FOUND = ("identity", "n_jobs", "queue_size", "broken", "shutdown", "killed", "ended")


class PoolHistory:
    """Explains the calls of one process to joblib's and loky's reusable pools, in their order."""

    def __init__(self) -> None:
        self._known: dict[str, ExecutorFacts] = {}
        self._last: dict[str, ExecutorFacts] = {}

    def explain(
        self, now: Mapping[str, Any], found: Mapping[str, Any] | None = None
    ) -> tuple[Event, str]:
        """Give what a call did with the pool, and the reason.

        Args:
            now: the pool that the call got, as ``read_facts`` gave it.
            found: the pool that was there when the call asked for one, as ``read_facts`` gave it
                (some of its facts are enough), with identity None where none was there; None
                where nobody looked.
        """
        facts = ExecutorFacts.from_record(now)
        root = facts.identity.rpartition(":")[0]
        before = self._before(root, facts, found)
        event, reason = explain(before, facts)
        if before is None and root in self._last:
            # loky 3.7 keeps a pool for each thread.
            reason = reason.replace("the first pool", "the first pool of this thread", 1)
        self._known[facts.identity] = self._last[root] = facts
        return event, reason

    def _before(
        self, root: str, now: ExecutorFacts, found: Mapping[str, Any] | None
    ) -> ExecutorFacts | None:
        last = self._last.get(root)
        if found is None:
            return last
        identity = found.get("identity")
        if identity is None:
            return None
        # A pool that no task was sent to is not known: a program may get one to shut it down.
        # joblib compares with its own last call then.
        known = self._known.get(identity) or last or now
        seen = {name: found[name] for name in _FOUND if name in found}
        return ExecutorFacts.from_record({**known.__dict__, **seen})
