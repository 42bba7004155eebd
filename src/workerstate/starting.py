"""How a worker starts as declared, step by step, and tells the parent each one."""

from __future__ import annotations

import os
import sys
from _thread import get_ident

from workerstate import portable, preloading, seeds, start_reports, workerside
from workerstate.applying import EARLY, fetch, in_thread, order
from workerstate.errors import DriftWarning, FacetError, WorkerStartError, why
from workerstate.resources import close_at_exit
from workerstate.sending import send_records
from workerstate.start_reports import ENDED, FAILED, STARTED
from workerstate.steps import Steps, catch_sigterm, restore_sigterm
from workerstate.workerside import Birth, Here, Stamp, Worker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from workerstate.drift.watch import Watch

_BACKENDS = {
    "multiprocessing": "multiprocessing",
    "concurrent": "futures",
    "loky": "loky",
    "joblib": "joblib",
    "mpire": "mpire",
    "pebble": "pebble",
    "distributed": "dask",
    "torch": "torch",
    "billiard": "billiard",
}


def start(birth: Birth, settings: bytes | None, fingerprint: str, wanted: int | None) -> Here:
    """Start this worker; what goes wrong is kept in ``Here.failure``."""
    if start_reports.is_own(birth.folder):
        return _start_in_process(birth)
    method, backend = _how(birth)
    place = os.path.join(birth.folder, birth.fleet)
    # A worker on another machine can't see the folder; who runs it numbers it, and hears of it.
    number = wanted or 0
    numbered = birth.backend == "workerstate"  # by our own pool, which also sees how workers end
    if os.path.isdir(birth.folder):
        if numbered:
            os.makedirs(place, 0o700, exist_ok=True)
        else:
            number = start_reports.claim_number(place, birth.size, wanted)
    here = Here(birth, Worker(number, method, backend, birth.parent), False)
    steps = Steps(here, place)
    token = workerside._here.set(here)
    close_at_exit(lambda: _end(here, steps))  # now: a pool may end this worker while it opens
    previous = catch_sigterm(steps)
    try:
        if not numbered:
            steps.check_predecessors()
        take_settings(here, steps, settings, fingerprint)
        _open(here, steps)
        steps.tell(STARTED)
    except BaseException as error:
        here.failure = failure(here.who.number, steps.step, error)
        steps.tell(FAILED)
        here.close()
    finally:
        restore_sigterm(previous)
        workerside._here.reset(token)
    return here


def _end(here: Here, steps: Steps) -> None:
    if here.pid == os.getpid():
        here.close()
        if here.failure is None:
            steps.tell(ENDED)


def take_settings(here: Here, steps: Steps, settings: bytes | None, fingerprint: str) -> None:
    """Make this process match the parent's settings, imports and all."""
    steps.next("the settings of the parent")
    wanted = _settings(here.birth, settings, fingerprint)
    for name in EARLY:
        if name in wanted:
            steps.next(f"facet {name!r}")
            here.applied.apply(wanted, [name])
    steps.next("the way of log records to the parent")
    send_records(here.birth)
    libraries = here.birth.libraries if here.birth.seed is not None else ()
    with preloading.rare_collections():
        for source in (*here.birth.preload, *((name, None, None) for name in libraries)):
            steps.next(f"import of {source[0]!r}")
            preloading.load(*source)
    if here.birth.seed is not None:
        seeds.load_generators()
    for name in order(wanted):
        if name not in EARLY:
            steps.next(f"facet {name!r}")
            here.applied.apply(wanted, [name])
    send_records(here.birth)  # loggers that don't propagate now need the handler too
    here.applied.settle(wanted)
    here.fingerprint = fingerprint
    workerside._worn[0] = here
    workerside._fitted.set((here.birth.fleet, fingerprint, get_ident()))


def _settings(birth: Birth, settings: bytes | None, fingerprint: str) -> Any:
    if settings:
        return preloading.with_modules(lambda: portable.loads(settings), birth.preload)
    if not fingerprint:
        return {}
    return preloading.with_modules(lambda: fetch(birth.folder, fingerprint), birth.preload)


def _open(here: Here, steps: Steps) -> None:
    birth = here.birth
    if birth.seed is not None:
        from workerstate.seeds import Stream, seed_globals

        # For tasks that are not bound: one stream per worker, and none that an earlier one had.
        here.stream = Stream(birth.seed, 0, f"worker {here.who.number} {steps.ordinal}")
        seed_globals(here.stream)
    open_resources(here, steps)
    initialize(here, steps)


def open_resources(here: Here, steps: Steps, *, shared: bool | None = None) -> None:
    """Open the spec's resources: those that workers of a template share, the others, or all."""
    for name, resource in here.birth.resources.items():
        if shared in (None, resource.shared):
            steps.next(f"resource {name!r}")
            here.opened.open(name, resource)


def initialize(here: Here, steps: Steps) -> None:
    """Run the initializer, and see to it that the teardown will be."""
    birth = here.birth
    if birth.initializer is not None:
        steps.next("the initializer")
        birth.initializer()
        send_records(birth)  # an initializer that sets up logging has added handlers
    if birth.teardown is not None:
        here.opened.at_close(birth.teardown)


def call_after(here: Here, then: Callable[..., object], args: tuple[Any, ...]) -> None:
    """Call the pool's own initializer in a started worker; what it raises is a failed start."""
    token = workerside._here.set(here)
    try:
        then(*args)
        send_records(here.birth)
    except BaseException as error:
        here.failure = failure(here.who.number, "the pool's initializer", error)
        here.close()
    finally:
        workerside._here.reset(token)


def watch_over(here: Here) -> Watch:
    """Give what tells how far tasks move this worker from what it is now."""
    from workerstate.drift.acting import Actor
    from workerstate.drift.reports import Outbox
    from workerstate.drift.watch import Watch

    birth = here.birth
    assert birth.drift is not None
    outbox = Outbox(os.path.join(birth.folder, birth.fleet))
    actor = Actor(birth.drift, outbox, here.who.number, own=birth.backend == "workerstate")
    watch = Watch(birth.drift, actor, seeded=birth.seed is not None)
    watch.settle(here.applied.settings.get("modules", ()))
    return watch


def take_early(fingerprint: str, settings: bytes | None) -> None:
    """Match those settings that decide where imports come from, before a task is read.

    Raises:
        FacetError: that can't be done.
    """
    here = workerside._worn[0]
    if here is not None and here.fingerprint != fingerprint:
        wanted = _settings(here.birth, settings, fingerprint)
        here.applied.apply(wanted, [name for name in EARLY if name in wanted])


def catch_up(here: Here, stamp: Stamp) -> None:
    """Make a started worker match what the task was submitted with, and this thread too.

    Raises:
        FacetError: that can't be done; the task is not run.
    """
    if here.fingerprint != stamp.fingerprint or workerside._worn[0] is not here:
        wanted = _settings(here.birth, stamp.settings, stamp.fingerprint)
        here.applied.waiting.clear()
        here.applied.apply(wanted, order(wanted))
        gone = [name for name in here.applied.settings if name not in wanted]
        here.applied.apply(wanted, gone)
        here.applied.settle(wanted)
        here.fingerprint = stamp.fingerprint
        workerside._worn[0] = here
        send_records(here.birth)
        if here.watch is not None:
            here.watch.settle(wanted.get("modules", ()))
    else:
        here.applied.apply(here.applied.settings, in_thread())
    workerside._fitted.set((stamp.fleet, stamp.fingerprint, get_ident()))
    here.applied.apply_waiting()
    if here.birth.level is not None and "loguru" in sys.modules and _bridged[0] != os.getpid():
        _bridged[0] = os.getpid()
        send_records(here.birth)


_bridged = [0]


def _start_in_process(birth: Birth) -> Here:
    from workerstate import in_process

    fleet = in_process.fleets.setdefault(birth.fleet, in_process.Threads())
    method = "inline" if birth.thread == get_ident() else "thread"
    here = Here(birth, Worker(0, method, birth.backend or "threads", birth.parent), True)
    here.who = here.who.replace(number=fleet.enter(here))
    if birth.drift is not None and method == "thread":
        import warnings

        said = "drift is not checked in threads of the parent, which share all their state"
        warnings.warn(DriftWarning(said), stacklevel=1)
    step = "the settings of set="
    token = workerside._here.set(here)
    try:
        fleet.share(birth.given)
        for source in birth.preload:
            step = f"import of {source[0]!r}"
            preloading.load(*source)
        for name, resource in birth.resources.items():
            step = f"resource {name!r}"
            here.opened.open(name, resource)
        if birth.initializer is not None:
            step = "the initializer"
            birth.initializer()
        if birth.teardown is not None:
            here.opened.at_close(birth.teardown)
    except (Exception, SystemExit) as error:
        here.failure = failure(here.who.number, step, error)
        here.close()
    finally:
        workerside._here.reset(token)
    fleet.workers.here = here
    return here


def run_in_process(here: Here, stamp: Stamp, fn: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Run a bound task in a thread of the parent, which keeps its own settings and generators."""
    from workerstate import in_process, seeds

    inline = here.who.start_method == "inline"
    wanted = (
        _settings(here.birth, stamp.settings, stamp.fingerprint) if _changed(here, stamp) else {}
    )
    if wanted:
        here.fingerprint = stamp.fingerprint
    before = in_process.replace({k: v for k, v in wanted.items() if k in in_thread()})
    token, stream = workerside._here.set(here), None
    kept: list[Any] = []
    if here.birth.drift is not None and inline:
        fn = workerside.watched(here, fn)
    try:
        if stamp.seed is None:
            return fn(*args, **kwargs)
        stream = workerside._stream.set(workerside.stream_of(stamp, args, kwargs))
        if inline:
            kept = seeds.save_globals()
            seeds.seed_globals(workerside._stream.get())
        return fn(*args, **kwargs)
    finally:
        workerside._here.reset(token)
        if stream is not None:
            workerside._stream.reset(stream)
        seeds.restore_globals(kept)
        if inline:
            in_process.replace(before)


def _changed(here: Here, stamp: Stamp) -> bool:
    """Tell whether this thread must be made to match: the caller's own is put back each time."""
    return here.who.start_method == "inline" or here.fingerprint != stamp.fingerprint


def in_interpreter() -> bool:
    """Tell whether this is a subinterpreter (``InterpreterPoolExecutor``), from 3.13 on."""
    try:
        import _interpreters  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        return False
    current = _interpreters.get_current()
    return bool(current[0] if isinstance(current, tuple) else current)


def _how(birth: Birth) -> tuple[str, str]:
    """Give the start method and whose pool this process belongs to."""
    if in_interpreter():
        return "interpreter", birth.backend or "futures"
    process: Any = sys.modules.get("multiprocessing.process")
    current = process.current_process() if process else None
    target = getattr(current, "_target", None)
    home = getattr(target, "__module__", None) or type(current).__module__
    method = getattr(type(current), "_start_method", None)
    if method is None:
        context: Any = sys.modules.get("multiprocessing")
        method = context.get_start_method() if context else "fork"
    parts = home.split(".")
    backend = "loky" if "loky" in parts else _BACKENDS.get(parts[0], parts[0])
    return method, birth.backend or backend


def failure(number: int, step: str, error: BaseException) -> WorkerStartError:
    """Give the error that tells the parent why the worker of that number could not start."""
    import pickle
    import traceback

    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    try:
        pickled = pickle.dumps(error)
        pickle.loads(pickled)
    except Exception:
        pickled = None
    reason = str(error) if isinstance(error, FacetError) else why(error)
    return WorkerStartError(number, os.getpid(), step, reason, text, pickled)
