"""May this process be forked? Only its own thread goes into a child; what others held stays held.

Asked after the template has been prepared, and answered with the culprit's name.
"""

from __future__ import annotations

import os
import sys

from workerstate.engine import processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_TASKS = "/proc/self/task"
_ENDING = 1.0  # seconds that threads may take to end which a library has left behind


def culprits() -> list[str]:
    """Name what makes forking this process unsafe; empty if nothing does.

    Threads that a library ends before a fork and starts again (OpenBLAS does) are none; those of
    libgomp, which it doesn't, hang the first child that uses them.
    """
    return [*_python_threads(), *_cuda(), *_held_locks()] or _native_threads()


def _python_threads() -> list[str]:
    threading: Any = sys.modules.get("threading")
    if threading is None:
        return []
    import time

    deadline = time.monotonic() + _ENDING
    while True:
        others = [each for each in threading.enumerate() if each is not threading.main_thread()]
        if not others or time.monotonic() > deadline:
            return [f"thread {each.name!r} runs" for each in others]
        time.sleep(0.005)


def _native_threads() -> list[str]:
    """Name the threads that are there though libraries were told of a fork."""
    child = processes.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    own = str(os.getpid())
    found = []
    for each in os.listdir(_TASKS):
        if each != own:
            try:
                with open(f"{_TASKS}/{each}/comm") as file:
                    found.append(file.read().strip())
            except OSError:  # it has just ended
                pass
    if not found:
        return []
    runtimes = ", ".join(_openmp()) or "a native library"
    return [
        f"{len(found)} thread(s) of {runtimes} run (named {', '.join(sorted(set(found)))}); "
        "what computes in the template must do so with one thread: "
        "threadpoolctl.threadpool_limits(1), or OMP_NUM_THREADS=1 in the environment"
    ]


def _openmp() -> list[str]:
    names = set()
    with open("/proc/self/maps") as file:
        for line in file:
            base = os.path.basename(line.rstrip())
            if base.startswith(("libgomp", "libiomp", "libomp")):
                names.add(base.partition(".so")[0].partition("-")[0])
    return sorted(names)


def _cuda() -> list[str]:
    torch: Any = sys.modules.get("torch")
    cuda = getattr(torch, "cuda", None)
    if cuda is not None and cuda.is_initialized():
        return ["CUDA is initialised (torch.cuda)"]
    for fd in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{fd}").startswith("/dev/nvidia"):
                return ["CUDA is initialised (a /dev/nvidia device is open)"]
        except OSError:
            pass
    return []


def _held_locks() -> list[str]:
    """Name the locks among the program's globals, and logging's, that are held."""
    from workerstate.program import user_modules

    found = []
    for module, names in user_modules().items():
        for name, value in list(names.items()):
            if is_held(value):
                found.append(f"lock {module}.{name} is held")
    logging: Any = sys.modules.get("logging")
    if logging is not None:
        for reference in list(logging._handlerList):
            handler = reference()
            if handler is not None and is_held(handler.lock):
                found.append(f"the lock of logging handler {type(handler).__name__} is held")
    return found


def is_held(value: object) -> bool:
    """Tell whether that is a lock of ``threading`` which somebody holds."""
    kind = type(value)
    if kind.__module__ not in ("_thread", "threading"):
        return False
    if kind.__name__ == "lock":
        return bool(value.locked())  # type: ignore[attr-defined]
    if kind.__name__ in ("RLock", "_RLock"):
        return bool(value._is_owned())  # type: ignore[attr-defined]
    return False
