"""``ProcessPoolExecutor`` of concurrent.futures and of loky (alone or inside joblib)."""

from __future__ import annotations

import sys
from _thread import get_ident

from workerstate.observe import hook, samples, submissions
from workerstate.observe.executor_facts import arguments_of, read_facts
from workerstate.observe.seams import calls, items, stamping, tasks
from workerstate.observe.seams.marks import mark
from workerstate.observe.seams.queues import QueueView, weigh

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

# Root of loky and thread -> the reusable pool as the thread's last call found it.
_found: dict[tuple[str, int], dict[str, Any]] = {}


def install(module: ModuleType) -> None:
    """Watch what the parent submits, and which reusable pool it gets."""
    if module.__name__.endswith("reusable_executor"):
        _watch_reusable(module)
        return
    cls: Any = module._WorkItem
    real = cls.__init__

    def make(self: Any, *args: Any, **kwargs: Any) -> None:
        real(self, *args, **kwargs)
        hook.quietly(_submitted, module.__name__, sys._getframe(1), self)

    cls.__init__ = make


def enter(process: Any) -> None:
    """Look into the worker's loop: its queue, the calls it gets, the results it sends."""
    module = sys.modules[process._target.__module__]
    call_queue = process._args[0]
    tasks.initialized = process._args[2] is not None
    hook.quietly(samples.start, process._args[2], process._args[3])

    def before() -> None:
        # Not earlier: a queue that was forked makes this attribute anew after the fork.
        if tasks.weight is None:
            tasks.weight = weigh(call_queue, "_recv_bytes")
        tasks.between()

    process._args = (QueueView(call_queue, before), *process._args[1:])
    _watch_call_item(module._CallItem)
    _watch_result_item(module._ResultItem)


def _watch_call_item(cls: Any) -> None:
    """See a task begin when the loop takes the function out of the item it got."""

    def get(self: Any) -> Any:
        fields = self.__dict__
        if not fields.get("_seen_by_workerstate"):
            fields["_seen_by_workerstate"] = True
            hook.quietly(_begin, fields)
        return fields["fn"]

    def set_(self: Any, function: Any) -> None:
        self.__dict__["fn"] = function

    cls.fn = property(get, set_)


def _begin(fields: dict[str, Any]) -> None:
    hook.quietly(samples.begin, fields["fn"], fields["args"], fields["kwargs"])
    tasks.begin(fields["fn"], fields["args"], fields["work_id"])
    fields["args"] = items.seeded(fields["fn"], fields["args"])


def _watch_result_item(cls: Any) -> None:
    """See a task end when the loop makes the item that carries its result."""
    real = cls.__init__

    def make(self: Any, *args: Any, **kwargs: Any) -> None:
        real(self, *args, **kwargs)
        hook.quietly(samples.end, self.result, self.exception)
        hook.quietly(tasks.end, self.exception is None)

    cls.__init__ = make


def _submitted(home: str, frame: Any, item: Any) -> None:
    executor = frame.f_locals.get("self")
    if executor is None or not hasattr(executor, "_queue_count"):
        return
    pool = mark(getattr(executor, "_call_queue", None) or executor)
    calls.submitted(pool, executor._queue_count, frame, _describe, executor, home)
    hook.quietly(stamping.submitted, pool, executor._queue_count, frame, item.fn, item.args)
    if submissions.listener is not None:
        task = (item.fn, item.args, item.kwargs)
        submissions.listener.submitted(pool, calls.last(pool), task, executor, frame)


def _describe(executor: Any, home: str) -> dict[str, Any]:
    """Say what decides whether the pool is the one of the call before."""
    size = executor._max_workers
    if not home.endswith("loky.process_executor"):
        return {"library": "futures", "n_jobs": size}
    root = home.rpartition(".")[0]
    library = "joblib" if type(executor).__module__ == "joblib.executor" else "loky"
    if not hasattr(executor, "executor_id"):
        return {"library": library, "n_jobs": size}
    facts = read_facts(executor, root=root, arguments=arguments_of(type(executor), _keywords(root)))
    found = _found.pop((root, get_ident()), None)
    return {"library": library, "n_jobs": size, "facts": facts, "found": found}


def _watch_reusable(module: ModuleType) -> None:
    """Read the pool that is there whenever a call asks for one.

    The call itself shuts the pool down that it replaces, so later is too late to see why.
    """
    root = module.__name__.rpartition(".")[0]
    cls: Any = module._ReusablePoolExecutor
    real = cls.__dict__["get_reusable_executor"]

    class Lookup:
        """Acts when the method is looked up, so that no frame stands in the call."""

        def __get__(self, instance: object, owner: type | None = None) -> Any:
            hook.quietly(_asked, module, root)
            return real.__get__(instance, owner)

    cls.get_reusable_executor = Lookup()


def _asked(module: Any, root: str) -> None:
    storage = getattr(module, "_executor_storage", None)
    executor = getattr(storage or module, "executor" if storage else "_executor", None)
    key = (root, get_ident())
    if executor is None:
        # A call that replaces a pool asks twice, and by the second time the pool is gone.
        _found.setdefault(key, {"identity": None})
    else:
        _found[key] = read_facts(executor, root=root, arguments={})


def _keywords(root: str) -> dict[str, Any]:
    """Give what the reusable executor was asked for: loky 3.7 keeps it per thread."""
    module = sys.modules.get(f"{root}.reusable_executor")
    storage = getattr(module, "_executor_storage", None)
    if storage is not None:
        return getattr(storage, "executor_kwargs", None) or {}
    return getattr(module, "_executor_kwargs", None) or {}
