"""The cheap look at a process: values that move when what tasks commonly change moves.

Each takes a microsecond or so. What it gives is alive, so it is compared with what ``frozen`` made
of an earlier look. That nothing moved in it says nothing of a facet's rarer keys.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import gc
import os
import sys
from _contextvars import copy_context
from _operator import attrgetter, is_
from _thread import _count as thread_count
from time import monotonic, sleep

from workerstate.drift.library_looks import locale, matplotlib, pandas, sklearn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    Look = Callable[[], object]

ENDING = 0.05  # seconds that a thread may take to end after its task
_builtins = vars(sys.modules["builtins"])
_state_of = attrgetter("level", "propagate", "disabled", "handlers", "filters")
_digits = getattr(sys, "get_int_max_str_digits", None)
# Those that programs handle; the others are left to whole readings.
_HANDLED = (
    *("SIGHUP", "SIGINT", "SIGQUIT", "SIGABRT", "SIGUSR1", "SIGSEGV", "SIGUSR2", "SIGPIPE"),
    *("SIGALRM", "SIGTERM", "SIGCHLD", "SIGWINCH", "SIGXCPU", "SIGPROF"),
)
_signals = [number for name, number in vars(_signal).items() if name in _HANDLED]
# The names in ``builtins`` that programs replace; a new one shows in their number.
_REPLACED = (
    *("print", "open", "input", "__import__", "__build_class__", "exec", "eval", "compile"),
    *("sorted", "range", "len", "isinstance", "id", "hash", "repr", "str", "int", "float"),
)
_decimal: list[Any] = []  # the variable that holds its context
_plain_loggers: list[Any] = []
_known_loggers: tuple[Any, int] = (None, -1)


def logging() -> object:
    """Look at the levels, switches, handlers and filters of every logger."""
    module: Any = sys.modules.get("logging")
    if module is None:
        return None
    manager = module.root.manager
    states = [*map(_state_of, _loggers(module, manager.loggerDict))]
    return states, manager.disable, module.raiseExceptions, len(module._levelToName)


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
    get = vars(module).get("_get_filters")  # from 3.14 on they may be the context's own
    return get() if get else module.filters, module.showwarning


def environ() -> object:
    """Look at the variables."""
    return getattr(os.environ, "_data", None)


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
    if len(sys._current_frames()) > 1:  # in a forked process the count is still its maker's
        return None
    mask = os.umask(0o777)
    os.umask(mask)
    return mask


def sys_path() -> object:
    """Look at the import path, its finders and the arguments."""
    return sys.path, sys.meta_path, sys.argv, sys.dont_write_bytecode


def limits() -> object:
    """Look at the interpreter's limits."""
    socket: Any = sys.modules.get("_socket")
    csv: Any = sys.modules.get("_csv")
    return (
        sys.getrecursionlimit(),
        gc.isenabled(),
        gc.get_threshold(),
        sys.getswitchinterval(),
        _digits and _digits(),
        socket and socket.getdefaulttimeout(),
        csv and csv.field_size_limit(),
    )


def signals() -> object:
    """Look at the handlers, and at the blocked signals."""
    return [*map(_signal.getsignal, _signals)], _signal.pthread_sigmask(_signal.SIG_BLOCK, ())


def hooks() -> object:
    """Look at the hooks and streams."""
    return (
        *(sys.excepthook, sys.displayhook, sys.stdin, sys.stdout, sys.stderr),
        *(sys.gettrace(), sys.getprofile()),
    )


def threads() -> object:
    """Count the threads that Python started."""
    return thread_count()


def threads_end(before: object) -> bool:
    """Wait for threads that are just about to end; tell whether no more are there than before."""
    end = monotonic() + ENDING
    while thread_count() > before:  # type: ignore[operator]
        if monotonic() > end:
            return False
        sleep(0.0005)
    return True


def fds() -> object:
    """Give the lowest number that no open file has: those of files left open are below it."""
    try:
        free = os.dup(1)
    except OSError:  # it is closed, or there is no number left
        return None
    os.close(free)
    return free


def builtins() -> object:
    """Look at the names that every module can use."""
    return len(_builtins), [*map(_builtins.get, _REPLACED)]


def sys_modules() -> object:
    """Count the modules."""
    return len(sys.modules)


def numpy() -> object:
    """Look at how errors are reported and arrays shown, and whether the generator was seeded."""
    module: Any = sys.modules.get("numpy")
    get = module and vars(module).get("geterr")
    if not get:
        return None
    random: Any = sys.modules.get("numpy.random.mtrand")
    generator = getattr(getattr(random, "_rand", None), "_bit_generator", None)
    shown = module.get_printoptions()
    return get(), shown, generator, getattr(generator, "_seed_seq", None)


def decimal() -> object:
    """Look at the calling thread's context, if it has one."""
    if "decimal" not in sys.modules:
        return None
    values = copy_context()
    if not _decimal:
        # getcontext() would make a context where there is none.
        _decimal.extend(each for each in values if each.name == "decimal_context")
    context = values.get(_decimal[0]) if _decimal else None
    return context and (context.prec, context.rounding, context.Emax, context.traps.copy())


def frozen(look: object) -> object:
    """Give a look that stays as it is."""
    if type(look) is list:
        return [*map(frozen, look)]
    if type(look) is tuple:
        made = (*map(frozen, look),)
        return look if all(map(is_, made, look)) else made
    return look.copy() if type(look) is dict else look


LOOKS: dict[str, Look] = {
    look.__name__: look
    for look in (
        *(logging, warnings, environ, cwd, sys_path, limits, signals, hooks, threads, fds),
        *(builtins, sys_modules, numpy, decimal, pandas, matplotlib, sklearn, locale),
    )
}


def looks(names: Iterable[str]) -> list[tuple[str, Look]]:
    """Give the looks at those facets that have one."""
    return [(name, LOOKS[name]) for name in names if name in LOOKS]
