"""What is watched of each library, loaded when the program first imports one of them.

A seam is a point that the library calls and that returns before anything of the user's runs, so
no frame of ours ever stands in a traceback. Adding a backend is one file here and one line in a
table: ``PARENT`` for what the parent's import of it makes us watch (``hook.WATCHED`` has the same
names), ``workers.LOOPS`` for its worker's loop.
"""

from __future__ import annotations

import os

# All that a forked child needs is imported before the fork, once.
from workerstate.observe import hook, samples, state, submissions
from workerstate.observe.seams import calls, launches, tasks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

# Module the program imported -> the seams file whose ``install`` looks at it.
PARENT: dict[str, str] = {
    "multiprocessing.context": "contexts",
    "multiprocessing.process": "workers",
    "multiprocessing.popen_fork": "launches",
    "multiprocessing.pool": "pool",
    "concurrent.futures.process": "futures",
    "subprocess": "launches",
    "loky.process_executor": "futures",
    "loky.reusable_executor": "futures",
    "loky.backend.popen_loky_posix": "launches",
    "joblib.externals.loky.process_executor": "futures",
    "joblib.externals.loky.reusable_executor": "futures",
    "joblib.externals.loky.backend.popen_loky_posix": "launches",
    "billiard.process": "workers",
    "billiard.popen_fork": "launches",
    "billiard.pool": "pool",
    "mpire.async_result": "pool",
    "pebble.pool.base_pool": "pebble",
    "workerstate.engine.serving": "engine",
    "workerstate.engine.template_source": "engine",
}


def install(name: str, module: ModuleType) -> None:
    """Watch a module that the program has just imported."""
    submissions.load()
    file = PARENT[name]
    seam = __import__(f"workerstate.observe.seams.{file}", fromlist=["install"])
    seam.install(module)


def simulate_cpus(count: int) -> None:
    """Make the program believe that the machine has so many processors."""
    os.cpu_count = lambda: count
    if hasattr(os, "sched_getaffinity"):
        os.sched_getaffinity = lambda pid=0, /: set(range(count))  # type: ignore[misc]
    if hasattr(os, "process_cpu_count"):
        os.process_cpu_count = lambda: count


def purpose_of_fork() -> str:
    """Say what a fork just now is for: a library's ``worker``, an ``exec``, or a mere ``copy``."""
    if launches.pending or hook.how == "forkserver":
        return "worker"
    return "exec" if launches.execs else "copy"


def before_fork() -> None:
    """Take the parent's snapshot, which a worker starts from."""
    state.before_fork()


def forked() -> None:
    """In the parent: the next fork may be a bare one."""
    launches.pending = launches.execs = False


def after_fork() -> None:
    """Begin the record of a forked worker."""
    launches.pending = False
    tasks.forget()
    samples.forget()
    calls.forget()
    state.after_fork()
