"""How a worker that was forked for one task ends: as an interpreter would, for what is the task's.

``os._exit`` alone would lose what the task has buffered and leave its temporary files; an ordinary
exit would run what was registered before the fork, once for each task, and touch every page.
"""

from __future__ import annotations

import os
import sys

from workerstate.engine import processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any, NoReturn

PATIENCE = 1.0  # seconds that threads of a task may go on after it
_NORMAL = 0


def disown() -> None:
    """Forget, in a process that was forked, what is to happen at the exit of the one it came from.

    Functions of atexit, finalizers of weakref (temporary directories) and of multiprocessing; and
    the objects of the garbage collector, so that a collection copies no page.
    """
    import atexit
    import gc
    import weakref

    atexit._clear()
    registry: Any = getattr(weakref.finalize, "_registry", {})
    for each in list(registry):
        each.detach()
    weakref.finalize._registered_with_atexit = False  # type: ignore[attr-defined]
    util: Any = sys.modules.get("multiprocessing.util")
    if util is not None:
        util._finalizer_registry.clear()
    process: Any = sys.modules.get("multiprocessing.process")
    if process is not None:
        process._children.clear()
    gc.freeze()


def flush_all(known: Collection[int] = ()) -> None:
    """Write what is buffered in any file, before a fork would copy the buffer.

    Args:
        known: descriptors of which none has a file of Python's, but for ``sys.stdout`` and
            ``sys.stderr``. If no other is open for writing, no file needs to be looked for.
    """
    import gc
    import io
    from itertools import compress

    for each in (sys.stdout, sys.stderr):
        _flush(each)
    if known and processes.written() <= set(known):
        return
    kinds = {io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom}
    objects = gc.get_objects()  # half a million after some imports
    files = list(compress(objects, map(kinds.__contains__, map(type, objects))))
    del objects
    files.sort(key=lambda each: type(each) is not io.TextIOWrapper)  # text is on top of bytes
    for each in files:
        _flush(each)


def drop_output() -> None:
    """Forget, in a process that was forked, what its parent had printed and not written yet.

    multiprocessing flushes before it forks, but another thread may print between the two.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            fd = stream.fileno()
        except (AttributeError, ValueError, OSError):  # None, closed, or no file
            continue
        kept = os.dup(fd)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, fd)
            _flush(stream)
        finally:
            os.dup2(kept, fd)
            os.close(kept)
            os.close(nowhere)


def end() -> None:
    """End this process, after what the task left to be done at exit has been done."""
    finish(pools=True)
    os._exit(_NORMAL)


def leave_copy(error: BaseException | None) -> NoReturn:
    """End a process that a task has forked, and that comes back from the task: it is no worker.

    Args:
        error: what the task raised there, if it did.
    """
    code = 0
    if isinstance(error, SystemExit):
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    elif error is not None:
        sys.excepthook(type(error), error, error.__traceback__)
        code = 1
    flush_all()
    os._exit(code & 0xFF)


def finish(*, pools: bool = False) -> None:
    """Do what the task left to be done at exit; it may take LAST seconds.

    Args:
        pools: end its pools, after which nothing here can start another.
    """
    processes.end_soon()
    # What flush_all finds is the task's: what was there before is frozen, and not among them.
    steps = (_join_threads, _run_exit_functions, flush_all)
    for step in (_end_pools, *steps) if pools else steps:
        try:
            step()
        except BaseException:  # the task itself has its result; atexit has shown what was wrong
            pass


def _end_pools() -> None:
    """End what the task left of pools, as ``threading`` does before it joins threads.

    Where workers of concurrent.futures or loky are not told, they outlive this process.
    """
    threading: Any = sys.modules.get("threading")
    for each in reversed(getattr(threading, "_threading_atexits", ())):
        each()


def _join_threads() -> None:
    threading: Any = sys.modules.get("threading")
    if threading is None or threading.active_count() == 1:
        return
    import time

    deadline = time.monotonic() + PATIENCE
    for each in threading.enumerate():
        if each is not threading.current_thread() and not each.daemon:
            each.join(max(0.0, deadline - time.monotonic()))


def _run_exit_functions() -> None:
    import atexit

    atexit._run_exitfuncs()
    util: Any = sys.modules.get("multiprocessing.util")
    process: Any = sys.modules.get("multiprocessing.process")
    if util is not None and (util._finalizer_registry or (process and process._children)):
        # It was imported before the fork, so that its own exit function was disowned.
        util._exit_function()


def _flush(file: Any) -> None:
    try:
        file.flush()
    except (AttributeError, ValueError, OSError):  # None, closed, or nobody reads any more
        pass
