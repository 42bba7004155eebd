"""The declared start state of workers: one value, honoured the same on every backend."""

from __future__ import annotations

import itertools
import os
import sys
import weakref

from workerstate import workerside
from workerstate.errors import SpecError
from workerstate.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from typing import Any, Literal

    from typing_extensions import Never

    from workerstate.backends.multiprocessing import Context
    from workerstate.carrying import Carried
    from workerstate.declared import Declared
    from workerstate.drift.change import Drift
    from workerstate.fleet import Fleet
    from workerstate.resources import Resource
    from workerstate.seeds import Key
    from workerstate.start_reports import StartReport
    from workerstate.workerside import Bound

    Call = Callable[[], object]

_live: weakref.WeakValueDictionary[int, WorkerSpec] = weakref.WeakValueDictionary()
_hooked: list[int] = []


class WorkerSpec(Value):
    """What every worker starts with: picklable, comparable by value, and itself an initializer.

    ``ProcessPoolExecutor(initializer=spec)`` and the like start each worker as declared;
    ``spec.bind(fn)`` carries the per-task part to any pool; ``workerstate.Executor(spec=spec)`` and
    ``spec.multiprocessing()``, ``spec.joblib()`` and the other adapters do both.

    Args:
        carry: state taken from the parent as it is when a task is submitted: names of facets
            (``"logging"``, ``"warnings"``, ``"numpy"``...), ``"loguru"`` and ``"structlog"`` with
            what is bound in their contexts, globals of the program's modules (``"app:OPTIONS"``,
            a class also with its plain attributes, ``"app:*"`` for all that is plain data),
            ``"stdio"``, or ``"all"``: each facet that is there.
        set: state given here, over what is carried:
            ``{"decimal": {"prec": 50}, "app:DEBUG": True}``.
        seed: the root of the tasks' random numbers. A task's stream depends on it, on the number
            of the call (each ``map`` or ``submit`` with this spec, counted from 0), and on the
            task's index in it. A spec made anew, or by ``replace()``, counts from 0 again.
        preload: modules that each worker imports before its first task. One that the parent has
            loaded from a file off the import path is loaded from that file, one that it has made
            by hand (a stub) is made of what that holds.
        resources: what each worker opens once and closes at its end, by name; see ``Resource``.
        initializer: called in each worker after all else, without arguments.
        teardown: called when a worker ends in an orderly way.
        drift: what is done about a change that a task leaves behind in a reused worker:
            ``"ignore"``; ``"warn"``: a DriftWarning in the parent; ``"error"``: the task fails with
            DriftError, and the state is put back; ``"reset"``: it is put back; ``"retire"``: the
            worker ends, and a new one takes its number. Per facet too, where ``"*"`` stands for
            the others, and amounts have a limit by which they may grow:
            ``{"logging": "reset", "memory": ("retire", "300 MB"), "*": "warn"}``. What moves in
            the nature of things (``workerstate.drift.natural``) is left out, but for facets that
            are named.
        on_full: ``"block"``: a worker's logging waits while the parent doesn't keep up; ``"drop"``:
            it never waits, and what was dropped is counted.

    Raises:
        SpecError: something in it can't be honoured; no worker was started.
    """

    carry: tuple[str, ...]
    set: Mapping[str, Any]
    seed: int | None
    preload: tuple[str, ...]
    resources: Mapping[str, Resource]
    initializer: Call | None
    teardown: Call | None
    drift: Any
    on_full: Literal["block", "drop"]

    if TYPE_CHECKING:
        given: Mapping[str, Mapping[str, Any]]
        identity: str
        _calls: Iterator[int]

    def __init__(
        self,
        *,
        carry: Iterable[str] | str = (),
        set: Mapping[str, Any] | None = None,
        seed: int | None = None,
        preload: Iterable[str] = (),
        resources: Mapping[str, Resource | Callable[[], Any]] | None = None,
        initializer: Call | None = None,
        teardown: Call | None = None,
        drift: Any = "ignore",
        on_full: Literal["block", "drop"] = "block",
        **unknown: Never,
    ) -> None:
        from workerstate import spec_checks

        spec_checks.options("WorkerSpec", unknown, self._fields)
        fields = {
            "carry": spec_checks.carry_names(carry),
            "set": dict(set or {}),
            "seed": spec_checks.seed_number(seed),
            "preload": (preload,) if isinstance(preload, str) else tuple(preload),
            "resources": spec_checks.resources_given(resources or {}),
            "initializer": initializer,
            "teardown": teardown,
            "drift": spec_checks.drift_policy(drift),
            "on_full": spec_checks.on_full_word(on_full),
        }
        self.__dict__.update(fields)
        self.__dict__["given"] = spec_checks.given_settings(set)
        self.__dict__["identity"] = spec_checks.identity(self)
        self.__dict__["_calls"] = itertools.count()
        if not _in_worker():
            self._check_now()
            _hook_fork()
            _live[id(self)] = self

    @property
    def carried(self) -> Carried:
        """What ``carry`` asks for, taken apart."""
        if "_carried" not in self.__dict__:
            self.__dict__["_carried"] = _parent("carrying").Carried(self.carry)
        made: Carried = self.__dict__["_carried"]
        return made

    @property
    def _fleet(self) -> Fleet:
        if "_own_fleet" not in self.__dict__:
            self.__dict__["_own_fleet"] = _parent("fleet").Fleet(self, own=False)
        made: Fleet = self.__dict__["_own_fleet"]
        return made

    def _check_now(self) -> None:
        """Find what can't be carried now; a name that isn't there yet may come before its use."""
        try:
            self.settings()
        except SpecError as error:
            cause = error.__cause__
            while cause is not None:
                if isinstance(cause, (AttributeError, ModuleNotFoundError)):
                    return
                cause = cause.__cause__
            raise

    @property
    def explicit(self) -> tuple[str, ...]:
        """The facets that were asked for by name, so that each must be applied."""
        named = [] if self.carried.everything else list(self.carried.facets)
        named += [name for name in ("modules", "contextvars") if self.carried.named]
        return tuple(dict.fromkeys([*named, *self.given]))

    @property
    def static(self) -> bool:
        """Whether tasks bring nothing: workers that have started have all that it declares."""
        said = self.carry or self.given or self.seed is not None or self.drift != "ignore"
        return not said

    def settings(self) -> bytes:
        """Give what workers are to have now, pickled; empty if the spec says nothing of it.

        Raises:
            SpecError: names what can't be carried.
        """
        data: bytes = _parent("carrying").now(self.carried, self.given)
        return data

    def next_call(self) -> int:
        """Give the number of the next call; each is given once."""
        return next(self._calls)

    def bind(self, fn: Callable[..., Any], *, key: Key | None = None) -> Bound:
        """Give ``fn`` with all that each of its tasks must bring, for any pool.

        The worker that runs it starts as declared if it has not, so ``initializer=spec`` is good
        but not needed. Carried state is the parent's at the time of this call; bind again after a
        change (``Executor`` and the adapters do so with each task).

        Args:
            fn: what to run.
            key: what the task's random numbers go by. Without one they go by the arguments: equal
                arguments draw equal numbers.
        """
        from workerstate.workerside import Bound

        if self.drift != "ignore":
            self._fleet.drift.warn()
        return Bound(self._fleet.stamp(self.next_call(), key), fn)

    def multiprocessing(self, method: Any = None) -> Context:
        """Give a multiprocessing context whose pools and processes start as declared.

        Args:
            method: a start method or a context; multiprocessing's default if not given.
        """
        from workerstate.backends.multiprocessing import context

        return context(self, method)

    def futures(self, mp_context: Any = None) -> dict[str, Any]:
        """Give what ``ProcessPoolExecutor`` and ``InterpreterPoolExecutor`` take."""
        return {"initializer": self, **({"mp_context": mp_context} if mp_context else {})}

    def loky(self) -> dict[str, Any]:
        """Give what loky's executors take; an equal spec keeps a reusable executor's workers."""
        return {"initializer": self}

    def joblib(self, **options: Any) -> AbstractContextManager[None]:
        """Give a ``with`` block in which the tasks of every joblib.Parallel are bound.

        Args:
            options: of ``joblib.parallel_config``: ``n_jobs``, ``backend`` and so on. With
                ``start_method`` or ``clean``, as ``Executor`` takes them, tasks run in our workers.
        """
        from workerstate.backends.joblib import block

        return block(self, **options)

    def mpire(self) -> dict[str, Any]:
        """Give what the ``map`` functions of ``mpire.WorkerPool`` take."""
        return {"worker_init": self}

    def pebble(self) -> dict[str, Any]:
        """Give what ``pebble.ProcessPool`` takes."""
        return {"initializer": self}

    def torch(self) -> dict[str, Any]:
        """Give what ``torch.utils.data.DataLoader`` takes."""
        return {"worker_init_fn": self}

    def dask(self) -> Any:
        """Give a plugin for ``client.register_plugin``; ``over`` binds the tasks."""
        from workerstate.backends.dask import plugin

        return plugin(self)

    def ray(self) -> dict[str, Any]:
        """Give what ``ray.init`` takes as ``runtime_env``; ``bind`` brings the per-task part.

        ``ray.util.multiprocessing.Pool`` takes bound functions; ``ray.remote`` takes a function of
        yours that calls the bound one it is given.
        """
        from workerstate.backends.ray import runtime_env

        return runtime_env(self)

    def over(self, executor: Any) -> Declared:
        """Give an executor that runs its tasks on another one's workers, as declared.

        For any ``concurrent.futures`` executor: dask's (``client.get_executor()``), mpi4py's, one
        that is there already. Workers need not be on this machine. It starts no worker itself;
        shutting it down shuts the other one down.
        """
        from workerstate.declared import Declared
        from workerstate.fleet import Fleet

        return Declared(self, executor, Fleet(self, own=False, remote=True))

    def drifts(self) -> list[Drift]:
        """Give what workers told of drift that have this spec by initializer or bind."""
        return self._fleet.drift.all()

    def starts(self) -> list[StartReport]:
        """Give what workers told about their start that have this spec by initializer or bind."""
        return self._fleet.reports()

    def __call__(self, *given: object) -> None:
        """Start this worker as declared: what a pool's ``initializer=`` calls.

        Some backends (torch, mpire) pass the worker's number, which is then what ``worker()`` says.

        Raises:
            WorkerStartError: this worker could not start, and its pool can't be told otherwise.
        """
        number = given[0] if given and type(given[0]) is int else None
        orders = self.__dict__.get("_born") or self._fleet.orders_here()
        workerside.Start(*orders)(number=number)

    def __reduce__(self) -> Any:
        fields = {name: self.__dict__[name] for name in (*self._fields, "given", "identity")}
        return _revive, (fields, self._fleet.orders())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, WorkerSpec):
            return NotImplemented
        return self.identity == other.identity

    def __hash__(self) -> int:
        return hash(self.identity)

    def __repr__(self) -> str:
        empty: tuple[Any, ...] = ((), {}, None, "ignore", "block")
        said = [f"{n}={self.__dict__[n]!r}" for n in self._fields if self.__dict__[n] not in empty]
        return f"WorkerSpec({', '.join(said)})"

    def replace(self, **changes: Any) -> WorkerSpec:
        """Give a copy in which the named fields have other values, and calls count from 0 again."""
        return WorkerSpec(**{**{name: self.__dict__[name] for name in self._fields}, **changes})


def _parent(name: str) -> Any:
    """Load a module of the parent's side, which a worker doesn't need."""
    return __import__(f"workerstate.{name}", fromlist=["_"])


def _revive(fields: dict[str, Any], born: Any) -> WorkerSpec:
    spec = WorkerSpec.__new__(WorkerSpec)
    spec.__dict__.update(fields)
    spec.__dict__["_calls"] = itertools.count()
    spec.__dict__["_born"] = born
    return spec


def _in_worker() -> bool:
    """Tell whether this runs in a worker, or while one is starting (its main module, say)."""
    process: Any = sys.modules.get("multiprocessing.process")
    if process is None:
        return False
    starting = getattr(process.current_process(), "_inheriting", False)
    return starting or process.parent_process() is not None


def _hook_fork() -> None:
    if not _hooked:
        _hooked.append(os.getpid())
        os.register_at_fork(before=_before_fork)


def _before_fork() -> None:
    """Open the way back for workers that this fork may make: afterwards it would be too late."""
    for spec in list(_live.values()):
        try:
            spec._fleet.birth()
        except Exception:  # a fork must not fail for it; a worker then says what is missing
            pass
