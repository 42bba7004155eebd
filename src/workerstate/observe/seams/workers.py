"""The worker's side of a process: from its bootstrap to its exit code.

``BaseProcess._bootstrap`` catches every exception of what it runs, so a function around it adds
no frame to what the program prints. Whose loop the process runs is looked up in ``LOOPS``.
"""

from __future__ import annotations

import os

from workerstate.observe import declare, hook, state
from workerstate.observe.seams import names, overflow, tasks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

# Module of the process's target -> the seams file whose ``enter`` looks into that loop.
LOOPS: dict[str, str] = {
    "multiprocessing.pool": "pool",
    "concurrent.futures.process": "futures",
    "loky.process_executor": "futures",
    "joblib.externals.loky.process_executor": "futures",
    "billiard.pool": "billiard",
    "pebble.pool.process": "pebble",
    "mpire.worker": "mpire",
    "workerstate.engine.started_source": "engine",
    # Workers of which only birth and death are seen.
    "distributed.process": "opaque",
    "torch.utils.data._utils.worker": "opaque",
    "multiprocessing.managers": "opaque",
}
_LIBRARIES = {
    "billiard": "billiard",
    "concurrent": "futures",
    "distributed": "dask",
    "loky": "loky",
    "mpire": "mpire",
    "pebble": "pebble",
    "torch": "torch",
    "workerstate": "workerstate",
}


def install(module: ModuleType) -> None:
    """Watch every process class of the module."""
    cls: Any = module.BaseProcess
    real = cls._bootstrap

    def _bootstrap(self: Any, *args: Any, **kwargs: Any) -> Any:
        plain = hook.quietly(_enter, self)
        code = real(self, *args, **kwargs)
        hook.quietly(_leave, code, plain)
        return code

    _bootstrap.__qualname__ = real.__qualname__
    _bootstrap.__module__ = real.__module__
    cls._bootstrap = _bootstrap


def _enter(process: Any) -> bool:
    """Begin a worker's record; tell whether it has no loop, so that its target is its one task."""
    hook.flush_imports()
    declared = declare.start(process)
    target = getattr(process, "_target", None)
    home = getattr(target, "__module__", None) or type(target).__module__
    file = LOOPS.get(home) or LOOPS.get(type(process).__module__) or _by_base(process)
    hook.emit(
        "process",
        pid=os.getpid(),
        name=str(process.name),
        parent=getattr(process, "_parent_pid", None),
        method=getattr(process, "_start_method", None),
        library=_library(type(process), home),
        loop=file,
        target=names.name(target) if target is not None else None,
    )
    if file is not None:
        loop = __import__(f"workerstate.observe.seams.{file}", fromlist=["enter"])
        loop.enter(process)
        tasks.initialized = tasks.initialized or declared
        return False
    state.record_birth(untouched=not declared)
    run = target if target is not None else process.run
    tasks.begin(run, (), None)
    return True


def _by_base(process: Any) -> str | None:
    """Find the loop of a library that subclasses Process rather than giving it a target."""
    for base in type(process).__mro__:
        if base.__module__ in LOOPS:
            return LOOPS[base.__module__]
    return None


def _library(cls: type, home: str) -> str:
    for name in (home, *(base.__module__ for base in cls.__mro__)):
        library = _LIBRARIES.get(name.replace("joblib.externals.", "").partition(".")[0])
        if library is not None:
            return library
    return "multiprocessing"


def _leave(code: Any, plain: bool | None) -> None:
    if plain:
        tasks.end(code == 0)
    overflow.flush()
    hook.flush_imports()
    hook.emit("exit", code=code)
