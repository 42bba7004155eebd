"""Applies a declaration to the workers of a program that has none of its own (`run --carry`).

What a worker is to start with travels as an attribute of the process object, which every start
method hands to its worker: pickled with it, or copied by the fork. It is applied before the pool's
own initializer.
"""

from __future__ import annotations

import os
import sys

from workerstate.observe import hook

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from workerstate.spec import WorkerSpec
    from workerstate.workerside import Here

VARIABLE = "WORKERSTATE_DECLARE"
_ATTRIBUTE = "_workerstate_declared"

_PATIENCE = 5.0  # seconds that slow handlers may take

_made: dict[int, WorkerSpec] = {}  # by process: a forked one makes its own
_started: list[Here] = []
_pools: dict[int | None, int] = {}
# In a worker: the root seed, and the number of its pool in the parent.
seeding: tuple[int, int] | None = None


def setting(carry: str, seed: int | None, start: str | None) -> str:
    """Give the variable's value: what is carried, the root seed, the default start method."""
    return "|".join((carry, "" if seed is None else str(seed), start or ""))


def start_method() -> str | None:
    """Give the start method that the program is to have in place of the default one."""
    return os.environ.get(VARIABLE, "||").split("|")[2] or None


def attach(process: Any, pool: int | None) -> None:
    """In the parent: send the declaration along with a worker that is about to start."""
    carry, seed, _ = os.environ.get(VARIABLE, "||").split("|")
    if not carry and not seed:
        return
    from workerstate import portable
    from workerstate.errors import SpecError
    from workerstate.spec import WorkerSpec

    try:
        spec = _made.get(os.getpid())
        if spec is None:
            spec = WorkerSpec(
                carry=carry.split(",") if carry else (), seed=int(seed) if seed else None
            )
            _made[os.getpid()] = spec
        number = _pools.setdefault(pool, len(_pools))
        process.__dict__[_ATTRIBUTE] = (portable.dumps(spec._fleet.orders()), spec.seed, number)
    except SpecError as error:
        hook.emit("undeclared", reason=str(error))


def start(process: Any) -> bool:
    """In the worker: start as declared; tell whether there was a declaration."""
    global seeding
    sent = process.__dict__.pop(_ATTRIBUTE, None)
    if sent is None:
        return False
    from workerstate import portable
    from workerstate.workerside import begin

    data, seed, number = sent
    seeding = None if seed is None else (seed, number)
    here = begin(*portable.loads(data))
    if here.failure is None:
        _started.append(here)
    else:
        hook.emit("undeclared", reason="{2}: {3}".format(*here.failure.args))
    return True


def initialized() -> None:
    """In the worker, after the pool's own initializer: the log handlers it added give way too."""
    if _started:
        from workerstate.starting import call_after

        call_after(_started.pop(), lambda: None, ())


def settle() -> None:
    """In the parent, when a worker has ended: let the handlers write all that it has logged."""
    hub: Any = sys.modules.get("workerstate.records.hub")
    if hub is not None and os.getpid() in _made:
        hub.shared().drain(_PATIENCE)


def seed(work: object, part: object) -> None:
    """Seed the global generators for the task of that number, whichever worker has it."""
    from workerstate.seeds import Stream, seed_globals

    assert seeding is not None
    root, pool = seeding
    seed_globals(Stream(root, pool, f"task {work}.{part}"))


def choose_start_method(module: Any) -> None:
    """Change what multiprocessing falls back on; a program that chooses for itself still does."""
    wanted = start_method()
    if wanted is not None and hook.how == "exec":
        context = module._concrete_contexts[wanted]
        module._default_context._default_context = context
