"""What a task may ask: who its worker is, what that holds, and its own random numbers."""

from __future__ import annotations

import os

from workerstate import workerside
from workerstate.errors import NoTaskError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from random import Random
    from typing import Any

    from numpy.random import Generator

    from workerstate.seeds import Stream
    from workerstate.workerside import Here, Worker


def worker() -> Worker:
    """Say who this worker is.

    Raises:
        NoTaskError: this is no worker of a spec, or the template of some.
    """
    who = _current("worker()").who
    if who.number < 0:
        raise NoTaskError(
            "workerstate.worker(): this is a template, which no worker has been forked from yet; "
            "what belongs to each worker is opened by a Resource that isn't shared"
        )
    return who


def resource(name: str) -> Any:
    """Give what this worker opened under that name when it started (``WorkerSpec.resources``).

    Raises:
        NoTaskError: this is no worker of a spec, or the spec has no such resource.
    """
    here = _current(f"resource({name!r})")
    declared = here.birth.resources.get(name)
    if here.who.number < 0 and declared is not None and not declared.shared:
        raise NoTaskError(
            f"workerstate.resource({name!r}): each worker opens it, after the initializer, which "
            "runs once, in the template. Use it in tasks; or declare it shared=True, if workers "
            "may share what it is; or do that part of the initializer when the resource is opened"
        )
    return here.opened.get(name)


def rng() -> Generator:
    """Give the running task's own numpy generator, which depends on the seed and the task alone.

    The same for every start method, number of workers, chunking, order and retry; under ``thread``
    too, where the global generators can't be a task's own.

    Raises:
        NoTaskError: no task is running here, or its spec has no seed.
        ImportError: numpy is not installed.
    """
    return _current_stream("rng()").rng()


def stdlib_rng() -> Random:
    """Give the running task's own ``random.Random`` (see ``rng``); needs no numpy.

    Raises:
        NoTaskError: no task is running here, or its spec has no seed.
    """
    return _current_stream("stdlib_rng()").stdlib_rng()


def _current(asked: str) -> Here:
    here = workerside._here.get(None)
    if here is None:
        mine = [each for each in workerside._heres.values() if each.pid == os.getpid()]
        if len(mine) != 1:
            raise NoTaskError(
                f"workerstate.{asked}: this is no worker of a spec; pass initializer=spec to the "
                "pool, or run the task through spec.bind or workerstate.Executor"
            )
        here = mine[0]
    return here


def _current_stream(asked: str) -> Stream:
    stream = workerside._stream.get(None)
    if stream is None:
        here = workerside._here.get(None) or next(
            (each for each in workerside._heres.values() if each.pid == os.getpid()), None
        )
        stream = here.stream if here is not None else None
    if stream is None:
        raise NoTaskError(
            f"workerstate.{asked}: no task of a spec with a seed is running here; "
            "give WorkerSpec(seed=...) and run the task through spec.bind or workerstate.Executor"
        )
    return stream
