"""Applies a declaration to the workers of a program that has none of its own (`run --carry`).

What a worker is to start with travels as an attribute of the process object, which every start
method hands to its worker: pickled with it, or copied by the fork. It is applied before the pool's
own initializer. What a task was submitted with lies in a file of its pool's (``stamps``); it is
applied before the task.
"""

from __future__ import annotations

import os
import sys

from workerstate.observe import hook, stamps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from workerstate.spec import WorkerSpec
    from workerstate.workerside import Here

    # Root seed, number of the call, index in it of the task's first item.
    Task = tuple[int, int, int]

VARIABLE = "WORKERSTATE_DECLARE"
_ATTRIBUTE = "_workerstate_declared"

_PATIENCE = 5.0  # seconds that slow handlers may take

_made: dict[int, WorkerSpec] = {}  # by process: a forked one makes its own
_started: list[Here] = []
_pools: dict[int, int] = {}
_refused: set[tuple[int, str]] = set()  # process id and reason: told once
# In a worker: whether it was started as declared; the root seed, and the number of its pool in the
# parent; what the present task brought of its call; its fleet; its pool's file.
started = False
seeding: tuple[int, int] | None = None
task: Task | None = None
_fleet = ""
_stamps: str | None = None


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
            birth, *settings = spec._fleet.orders()
            file = stamps.path(birth.folder, pool) if pool is not None and not path else None
            orders = portable.dumps((birth, *settings))
            sent["orders"] = (orders, spec.seed, number, file)
    except SpecError as error:
        hook.emit("undeclared", reason=str(error))
    if sent:
        process.__dict__[_ATTRIBUTE] = sent


def brought() -> tuple[str, int] | None:
    """In the parent: give what a task brings that is submitted now, from this thread.

    That is the fingerprint of its settings, and the number of its call, which is a new one. None
    where nothing is declared, or it can't be carried now.
    """
    from workerstate.errors import SpecError

    carry, seed, _, path = _given()
    try:
        spec = None if path else _declaration(carry, seed)
    except SpecError:  # told when a worker is started
        return None
    if spec is None:
        return None
    try:
        return spec._fleet.stamp().fingerprint, spec.next_call()
    except SpecError as error:
        _unmatched(str(error))
        return None


def _unmatched(reason: str) -> None:
    """Tell, once in a process, why tasks don't have what was declared."""
    if (os.getpid(), reason) not in _refused:
        _refused.add((os.getpid(), reason))
        hook.emit("unmatched", reason=reason)


def _declaration(carry: str, seed: str) -> WorkerSpec | None:
    from workerstate.spec import WorkerSpec

    if not carry and not seed:
        return None
    made = _made.get(os.getpid())
    if made is None:
        new = WorkerSpec(carry=carry.split(",") if carry else (), seed=int(seed) if seed else None)
        made = _made.setdefault(os.getpid(), new)  # another thread may have made one meanwhile
    return made


def start(process: Any) -> bool:
    """In the worker: start as declared; tell whether there was a declaration."""
    global started, seeding, task, _stamps
    started, seeding, task, _stamps = False, None, None, None  # a forked one has its maker's
    sent = process.__dict__.pop(_ATTRIBUTE, {})
    if "orders" in sent:
        _begin(*sent["orders"])
    if "expected" in sent:
        from workerstate.observe import trial

        trial.tell(sent["expected"])
    return "orders" in sent


def _begin(data: bytes, seed: int | None, number: int, file: str | None) -> None:
    global started, seeding, _fleet, _stamps
    from workerstate import portable
    from workerstate.workerside import begin

    seeding = None if seed is None else (seed, number)
    birth, *settings = portable.loads(data)
    started, _fleet, _stamps = True, birth.fleet, file
    here = begin(birth, *settings)
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


def fit(work: Any, part: Any) -> bool:
    """In the worker: match what the task of that number brings, and seed for it.

    Gives whether settings were applied. A task of a library whose submissions are not seen brings
    nothing: it has what its worker started with, and a stream by its number in the pool.
    """
    global task
    record = stamps.read(_stamps, work) if _stamps and type(work) is int else None
    if record is None:
        task = None
        if seeding is not None:
            _seed_by(seeding[0], seeding[1], f"task {work}.{part}")
        return False
    fingerprint, call, first, size = record
    changed = _match(fingerprint)
    task = None
    if seeding is not None and type(part) is int:
        task = (seeding[0], call, first + part * size)
        seed(task)
    elif seeding is not None:
        _seed_by(seeding[0], call, part)
    return changed


def seed(task: Task) -> None:
    """Seed the global generators for one task, whichever worker has it."""
    _seed_by(*task)


def _seed_by(root: int, call: int, key: int | str) -> None:
    from workerstate.seeds import Stream, seed_globals

    seed_globals(Stream(root, call, key))


def _match(fingerprint: str) -> bool:
    """Make this worker match those settings of the parent; tell whether there was anything to do.

    What can't be applied is told, as it is at a worker's start.
    """
    from workerstate import workerside

    here = workerside._find(_fleet)
    if here is None or here.failure is not None:
        return False
    try:
        return workerside.fit(here, workerside.Stamp(b"", _fleet, fingerprint, None, None, 0, None))
    except Exception as error:  # a value of the program's may raise what it likes
        _unmatched(f"{type(error).__name__}: {error}")
        return True


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
