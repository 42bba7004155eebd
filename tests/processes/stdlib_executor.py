"""Our executor in the clothes of ProcessPoolExecutor, for the standard library's own tests."""

from __future__ import annotations

import functools
import os
import weakref

import workerstate

METHOD = os.environ.get("STDLIB_SUITE_METHOD", "template")
made: weakref.WeakSet[ProcessPoolExecutor] = weakref.WeakSet()


class ProcessPoolExecutor(workerstate.Executor):
    """Takes ``initializer`` and ``initargs``; a start method stands for every ``mp_context``."""

    def __init__(self, max_workers=None, mp_context=None, initializer=None, initargs=()):
        if initializer is not None:
            initializer = functools.partial(initializer, *initargs)
        spec = workerstate.WorkerSpec(initializer=initializer)
        super().__init__(max_workers, spec=spec, start_method=METHOD)
        made.add(self)
