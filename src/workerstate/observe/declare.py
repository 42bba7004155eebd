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
_pools: dict[int, int] = {}
# In a worker: the root seed, and the number of its pool in the parent.
seeding: tuple[int, int] | None = None


def setting(
    carry: str, seed: int | None, start: str | None, *, always: bool = False, trial: str = ""
) -> str:
    """Give the variable's value.

    Args:
        carry: what is carried.
        seed: the root seed.
        start: the start method where the program chooses none; with ``always``, also where it does.
        always: see ``start``.
        trial: the file of a trial, which says what is carried instead of ``carry``.
    """
    method = f"{start or ''}{'!' if always else ''}"
    return "|".join((carry, "" if seed is None else str(seed), method, trial))


def _given() -> list[str]:
    return os.environ.get(VARIABLE, "|||").split("|", 3)


def attach(process: Any, pool: int | None) -> None:
    """In the parent: send the declaration along with a worker that is about to start."""
    from workerstate import portable
    from workerstate.errors import SpecError

    carry, seed, _, path = _given()
    sent: dict[str, Any] = {}
    try:
        if path:
            from workerstate.observe import trial

            plan = trial.read(path)
            spec = trial.declaration(plan, int(seed) if seed else None)
            sent["expected"] = trial.texts(plan["ask"])
        else:
            spec = _declaration(carry, seed)
        if spec is not None:
            _made[os.getpid()] = spec
            # A process that belongs to no pool is one of its own, or two would draw the same.
            number = _pools.setdefault(-len(_pools) if pool is None else pool, len(_pools))
            sent["orders"] = (portable.dumps(spec._fleet.orders()), spec.seed, number)
    except SpecError as error:
        hook.emit("undeclared", reason=str(error))
    if sent:
        process.__dict__[_ATTRIBUTE] = sent


def _declaration(carry: str, seed: str) -> WorkerSpec | None:
    from workerstate.spec import WorkerSpec

    if not carry and not seed:
        return None
    return _made.get(os.getpid()) or WorkerSpec(
        carry=carry.split(",") if carry else (), seed=int(seed) if seed else None
    )


def start(process: Any) -> bool:
    """In the worker: start as declared; tell whether there was a declaration."""
    sent = process.__dict__.pop(_ATTRIBUTE, {})
    if "orders" in sent:
        _begin(*sent["orders"])
    if "expected" in sent:
        from workerstate.observe import trial

        trial.tell(sent["expected"])
    return "orders" in sent


def _begin(data: bytes, seed: int | None, number: int) -> None:
    global seeding
    from workerstate import portable
    from workerstate.workerside import begin

    seeding = None if seed is None else (seed, number)
    here = begin(*portable.loads(data))
    if here.failure is None:
        _started.append(here)
    else:
        hook.emit("undeclared", reason="{2}: {3}".format(*here.failure.args))


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
    """Change what multiprocessing falls back on, and for a trial also what a program chooses."""
    wanted = _given()[2]
    contexts = module._concrete_contexts
    context = contexts.get(wanted.rstrip("!"))
    if context is None or hook.how != "exec":
        return
    module._default_context._default_context = context
    if wanted.endswith("!"):
        contexts.update(dict.fromkeys(contexts, context))
