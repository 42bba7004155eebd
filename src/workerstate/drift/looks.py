"""The cheap look at a process: values that move when what tasks commonly change moves.

Each takes a microsecond or so, holds the objects that it compares by identity, and runs no code of
the program. That nothing moved in it says nothing of a facet's rarer keys.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import gc
import os
import sys
from _operator import attrgetter
from _thread import _count as thread_count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    Look = Callable[[], object]

_builtins = vars(sys.modules["builtins"])
_state_of = attrgetter("level", "propagate", "disabled", "handlers", "filters")
_signals = [n for n in range(1, getattr(_signal, "NSIG", 65)) if n not in (9, 19, 32, 33)]
_MOST_SIGNALS = 31  # the real-time ones are left to whole readings
_plain_loggers: list[Any] = []
_known_loggers: tuple[Any, int] = (None, -1)


def logging() -> object:
    """Look at the levels, switches, handlers and filters of every logger."""
    module: Any = sys.modules.get("logging")
    if module is None:
        return None
    manager = module.root.manager
    states = [_state_of(logger) for logger in _loggers(module, manager.loggerDict)]
    copied = [(*state[:3], tuple(state[3]), tuple(state[4])) for state in states]
    return copied, manager.disable, module.raiseExceptions, len(module._levelToName)


def _loggers(module: Any, table: dict[str, Any]) -> list[Any]:
    """Give the loggers; the list is made anew only when the table has grown."""
    global _known_loggers
    known = (table, len(table))
    if _known_loggers != known or _plain_loggers[0] is not module.root:
        made = [each for each in table.values() if type(each) is not module.PlaceHolder]
        _plain_loggers[:] = [module.root, *made]
        _known_loggers = known
    return _plain_loggers


def warnings() -> object:
    """Look at the filters, and at who shows a warning."""
    module: Any = sys.modules.get("warnings")
    if module is None:
        return None
    get = getattr(module, "_get_filters", None)  # from 3.14 on they may be the context's own
    return list(get() if get else module.filters), getattr(module, "showwarning", None)


def environ() -> object:
    """Look at the variables."""
    data = getattr(os.environ, "_data", None)
    return data.copy() if type(data) is dict else None


def cwd() -> object:
    """Look at the current directory and, where no other thread could be disturbed, the umask."""
    try:
        place = os.getcwd()
    except OSError:
        place = ""
    return place, umask()


def umask() -> int | None:
    """Read the umask in the cheap way, which sets it for a moment; None where threads run.

    Should a thread of native code make a file just then, it is for nobody else to read.
    """
    if thread_count():
        return None
    mask = os.umask(0o777)
    os.umask(mask)
    return mask


def sys_path() -> object:
    """Look at the import path, its finders and the arguments."""
    return sys.path.copy(), sys.meta_path.copy(), sys.argv.copy(), sys.dont_write_bytecode


def limits() -> object:
    """Look at the interpreter's limits."""
    digits = getattr(sys, "get_int_max_str_digits", None)
    return (
        sys.getrecursionlimit(),
        gc.isenabled(),
        gc.get_threshold(),
        sys.getswitchinterval(),
        digits and digits(),
    )


def signals() -> object:
    """Look at the handlers, and at the blocked signals."""
    handlers = [_signal.getsignal(number) for number in _signals[:_MOST_SIGNALS]]
    return handlers, _signal.pthread_sigmask(_signal.SIG_BLOCK, ())


def hooks() -> object:
    """Look at the hooks and streams."""
    return (
        [sys.excepthook, sys.displayhook, sys.stdin, sys.stdout, sys.stderr],
        [sys.gettrace(), sys.getprofile()],
    )


def threads() -> object:
    """Count the threads that Python started."""
    return thread_count()


def builtins() -> object:
    """Look at the names that every module can use."""
    return _builtins.copy()


def sys_modules() -> object:
    """Count the modules."""
    return len(sys.modules)


def numpy() -> object:
    """Look at how floating-point errors are reported, and whether the generator was seeded."""
    module: Any = sys.modules.get("numpy")
    get = getattr(module, "geterr", None)
    if get is None:
        return None
    random: Any = sys.modules.get("numpy.random.mtrand")
    generator = getattr(getattr(random, "_rand", None), "_bit_generator", None)
    return get(), generator, getattr(generator, "_seed_seq", None)


def decimal() -> object:
    """Look at the calling thread's context, if it has one."""
    if "decimal" not in sys.modules:
        return None
    from workerstate.facets.decimal import current_context

    context = current_context()
    return context and (context.prec, context.rounding, context.Emax, dict(context.traps))


def memory() -> object:
    """Look at the most that this process has ever held."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def fds() -> object:
    """Count the open files, where the kernel tells that cheaply (from Linux 6.2 on)."""
    try:
        return os.stat("/proc/self/fd").st_size
    except OSError:
        return None


LOOKS: dict[str, Look] = {
    look.__name__: look
    for look in (
        *(logging, warnings, environ, cwd, sys_path, limits, signals, hooks, threads),
        *(builtins, sys_modules, numpy, decimal, memory, fds),
    )
}


def looks(names: Iterable[str]) -> list[tuple[str, Look]]:
    """Give the looks at those facets that have one."""
    return [(name, LOOKS[name]) for name in names if name in LOOKS]
