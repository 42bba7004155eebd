"""What ends a pool that nobody shuts down: its executor is forgotten, or the interpreter ends."""

from __future__ import annotations

import sys
import threading
import weakref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from workerstate.engine.pool import Pool

_pools: weakref.WeakSet[Pool] = weakref.WeakSet()
_registered: list[bool] = []


def end_with(executor: object, pool: Pool) -> None:
    """End ``pool`` when its executor is garbage, or at exit; what was submitted is run first."""
    weakref.finalize(executor, pool.forget).atexit = False
    _pools.add(pool)
    if not _registered:
        _registered.append(True)
        # As concurrent.futures does: before threads are joined, so before any function of atexit.
        threading._register_atexit(_end_all)  # type: ignore[attr-defined]


def _end_all() -> None:
    interrupted = getattr(sys, "last_type", None) is KeyboardInterrupt
    for pool in list(_pools):
        pool.shutdown(wait=False, at_once=interrupted)
    for pool in list(_pools):
        pool.shutdown(wait=True)
