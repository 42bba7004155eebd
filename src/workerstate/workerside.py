"""All that runs in a worker: its start, once, and what surrounds each task.

A task that the parent bound to a spec brings a stamp. A worker that has not started as that spec
declares does so before the task; one that has other settings than the task was submitted with
fetches them first.
"""

from __future__ import annotations

import os
import sys
from _contextvars import ContextVar
from _thread import RLock, get_ident

from workerstate.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, NamedTuple

    from workerstate.applying import Applied
    from workerstate.drift.policy import Policies
    from workerstate.drift.watch import Watch
    from workerstate.errors import WorkerStartError
    from workerstate.preloading import Source
    from workerstate.records.rendezvous import Address
    from workerstate.resources import Opened, Resource
    from workerstate.seeds import Key, Stream

    class Stamp(NamedTuple):
        """What a bound task brings.

        Fields:
            birth: the pickled Birth, for a worker that has not started yet.
            fleet: which pool's workers; names the Birth.
            fingerprint: of the carried settings as of submit.
            settings: those settings, pickled, where workers can't read the parent's folder.
            seed: the root seed, or None.
            call: the number of the parent's call that the task belongs to.
            key: the task's index in it, or the user's key; None: made from the arguments.
        """

        birth: bytes
        fleet: str
        fingerprint: str
        settings: bytes | None
        seed: int | None
        call: int
        key: Key | None
else:
    from collections import namedtuple

    Stamp = namedtuple("Stamp", "birth fleet fingerprint settings seed call key")


class Birth(Value):
    """What a worker needs to know to start as declared; picklable.

    Fields:
        fleet: the name under which the workers of one pool share their numbers.
        folder: where the parent reads what workers tell about their start.
        parent: the parent's process id.
        thread: the thread in which the parent made the declaration.
        records: the parent's hub, or None.
        logs: whether log records go there.
        stdio: whether what is printed goes there.
        on_full: what a worker does while the parent doesn't keep up with its records.
        level: loguru's lowest level in the parent, or None where it isn't carried.
        explicit: facets that were asked for by name.
        given: settings that ``set=`` gives.
        preload: modules, as ``preloading.sources`` gives them.
        resources, initializer, teardown, seed: the spec's.
        libraries: whose global generators are seeded, since the parent has imported them.
        backend: whose pool it is, where that is known beforehand.
        size: how many workers there are at a time, where that is known.
        drift: what is done about what tasks change; None: nothing.
    """

    fleet: str
    folder: str
    parent: int
    thread: int
    records: Address | None
    logs: bool
    stdio: bool
    on_full: str
    level: int | None
    explicit: tuple[str, ...]
    given: Mapping[str, Mapping[str, Any]]
    preload: tuple[Source, ...]
    resources: Mapping[str, Resource]
    initializer: Callable[[], object] | None
    teardown: Callable[[], object] | None
    seed: int | None
    libraries: tuple[str, ...]
    backend: str | None
    size: int | None
    drift: Policies | None = None


class Worker(Value):
    """Who this worker is.

    Fields:
        number: from 0 to one less than the number of workers; a replacement takes the number of
            the worker it replaces, so that a device or a port can be pinned to it.
        start_method: ``fork``, ``spawn``, ``forkserver``, ``loky``, ``thread`` or ``inline``.
        backend: whose pool it is: ``multiprocessing``, ``futures``, ``loky``, ``joblib``...
        parent_pid: the process that declared the spec.
    """

    number: int
    start_method: str
    backend: str
    parent_pid: int


class Here:
    """What one worker is and holds, for one spec."""

    __slots__ = (
        "applied",
        "birth",
        "failure",
        "fingerprint",
        "in_process",
        "opened",
        "pid",
        "stream",
        "watch",
        "who",
    )

    def __init__(self, birth: Birth, who: Worker, in_process: bool) -> None:
        from workerstate.applying import Applied
        from workerstate.resources import Opened

        self.birth = birth
        self.who = who
        self.in_process = in_process
        self.pid = os.getpid()
        self.fingerprint = ""
        self.failure: WorkerStartError | None = None
        self.applied: Applied = Applied(birth.explicit, who.start_method)
        self.opened: Opened = Opened()
        self.stream: Stream | None = None
        self.watch: Watch | None = None

    def close(self) -> None:
        """Close what this worker holds; the functions that do may ask who it is."""
        if self.pid == os.getpid():
            token = _here.set(self)
            try:
                self.opened.close()
            finally:
                _here.reset(token)


_heres: dict[str, Here] = {}  # by fleet; a forked process finds its parent's and starts anew
_worn: list[Here | None] = [None]  # whose settings this process has: a pool may serve two specs
_locks: dict[int, Any] = {}  # by process id: a fork may catch the parent's held
_here: ContextVar[Here] = ContextVar("workerstate worker")
_stream: ContextVar[Stream] = ContextVar("workerstate task")
# What this context, and this thread, was made to match last. A new thread has neither, and dask
# runs each task in a context of its own.
_fitted: ContextVar[tuple[str, str, int]] = ContextVar("workerstate settings")


def begin(
    birth: Birth, settings: bytes | None, fingerprint: str, number: int | None = None
) -> Here:
    """Start this process, or thread, as declared, unless it has; a failure is kept, not raised."""
    here = _find(birth.fleet)
    if here is not None:
        return here
    from workerstate import starting

    with _locks.setdefault(os.getpid(), RLock()):
        here = _find(birth.fleet)
        if here is None:
            here = starting.start(birth, settings, fingerprint, number)
            if not here.in_process:
                _heres[birth.fleet] = here
    return here


def _find(fleet: str) -> Here | None:
    here = _heres.get(fleet)
    if here is not None and here.pid == os.getpid():
        return here
    shared = sys.modules.get("workerstate.in_process")
    if shared is not None and fleet in shared.fleets:
        found: Here | None = getattr(shared.fleets[fleet].workers, "here", None)
        return found
    return None


class Start:
    """What starts a worker: an initializer, as it arrives in the worker's process."""

    def __init__(
        self,
        birth: Birth,
        settings: bytes | None,
        fingerprint: str,
        then: Callable[..., object] | None = None,
        args: tuple[Any, ...] = (),
    ) -> None:
        self._orders = (birth, settings, fingerprint)
        self._then = then
        self._args = args

    def __call__(self, *, number: int | None = None) -> None:
        """Start this process as ordered, and call the pool's own initializer.

        Raises:
            WorkerStartError: that failed, and the pool can't be told otherwise.
        """
        here = begin(*self._orders, number)
        if here.failure is None and self._then is not None:
            from workerstate.starting import call_after

            call_after(here, self._then, self._args)
        if here.failure is not None:
            from workerstate.refusal import refuse_tasks

            refuse_tasks(here.failure)


class Bound:
    """A function that brings its spec's per-task part to whatever worker runs it."""

    __slots__ = ("fn", "stamp")

    def __init__(self, stamp: Stamp, fn: Callable[..., Any]) -> None:
        self.stamp = stamp
        self.fn = fn

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the function as one task."""
        return run(self.stamp, self.fn, args, kwargs)

    def __reduce__(self) -> Any:
        return Bound, (self.stamp, self.fn)


def run(stamp: Stamp, fn: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Run a bound task, with all that its spec declares around it.

    Raises:
        WorkerStartError: this worker could not start as declared; the task was not run.
    """
    here = _find(stamp.fleet)
    if here is None:
        from workerstate import portable

        here = begin(portable.loads(stamp.birth), stamp.settings, stamp.fingerprint)
    if here.failure is not None:
        raise here.failure.with_traceback(None)
    if here.in_process:
        from workerstate import starting

        return starting.run_in_process(here, stamp, fn, args, kwargs)
    fit(here, stamp)
    token = _here.set(here)
    try:
        if here.birth.drift is not None:
            fn = watched(here, fn)
        if stamp.seed is None:
            return fn(*args, **kwargs)
        return _run_seeded(stamp, fn, args, kwargs)
    finally:
        _here.reset(token)


def fit(here: Here, stamp: Stamp) -> bool:
    """Make this worker match what a task was submitted with; tell whether anything was done.

    Raises:
        FacetError: that can't be done; the task must not be run.
    """
    if (
        _fitted.get(None) == (stamp.fleet, stamp.fingerprint, get_ident())
        and _worn[0] is here
        and not here.applied.waiting
        and here.birth.level is None
    ):
        return False
    from workerstate import starting

    with _locks.setdefault(os.getpid(), RLock()):
        starting.catch_up(here, stamp)
    return True


def watched(here: Here, fn: Callable[..., Any]) -> Callable[..., Any]:
    """Give ``fn`` with a look, after it, at what it has left behind in this worker."""
    if here.watch is None:
        from workerstate.starting import watch_over

        here.watch = watch_over(here)
    watch = here.watch

    def run_and_look(*args: Any, **kwargs: Any) -> Any:
        watch.before(anew=here.in_process)
        try:
            result = fn(*args, **kwargs)
        except BaseException:
            watch.after(fn, failed=True)
            raise
        watch.after(fn)
        return result

    return run_and_look


def _run_seeded(stamp: Stamp, fn: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    from workerstate.seeds import seed_globals

    stream = stream_of(stamp, args, kwargs)
    token = _stream.set(stream)
    try:
        seed_globals(stream)
        return fn(*args, **kwargs)
    finally:
        _stream.reset(token)


def stream_of(stamp: Stamp, args: Any, kwargs: Any) -> Stream:
    """Give the stream of a task; one without an index goes by what it is called with."""
    from workerstate.seeds import Stream

    key = stamp.key
    if key is None:
        from workerstate.fingerprint import fingerprint

        key = fingerprint((args, kwargs)).digest
    assert stamp.seed is not None
    return Stream(stamp.seed, stamp.call, key)
