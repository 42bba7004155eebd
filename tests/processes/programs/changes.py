"""One worker whose tasks each leave one thing behind; the argument says how it is started."""

from __future__ import annotations

import decimal
import logging
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import threading
import warnings
from concurrent.futures import Executor, ProcessPoolExecutor

SETTINGS: dict[str, int] = {}
SPEED = 1


def nothing() -> None:
    """Leave nothing behind."""
    with decimal.localcontext() as context:
        context.prec = 5


def root_handler() -> None:
    """Add a handler to the root logger."""
    logging.getLogger().addHandler(logging.NullHandler())


def named_handler() -> None:
    """Add a handler to a logger with a name."""
    logging.getLogger("app.part").addHandler(logging.NullHandler())


def level() -> None:
    """Set the level of a logger."""
    logging.getLogger("app.part").setLevel(logging.ERROR)


def directory() -> None:
    """Go elsewhere."""
    os.chdir(tempfile.gettempdir())


def umask() -> None:
    """Change the umask."""
    os.umask(0o027)


def environ() -> None:
    """Set an environment variable, to a value that must not be recorded."""
    os.environ["SECRET_OF_THE_TEST"] = "very-secret-value"


def path() -> None:
    """Add a folder to sys.path."""
    sys.path.append("/nowhere/at/all")


def warning_filter() -> None:
    """Ignore a category of warnings."""
    warnings.simplefilter("ignore", UserWarning)


def precision() -> None:
    """Change the precision of decimals."""
    decimal.getcontext().prec = 9


def recursion() -> None:
    """Change the recursion limit."""
    sys.setrecursionlimit(4321)


def draw() -> None:
    """Draw a random number."""
    random.random()


def handle() -> None:
    """Install a signal handler."""
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)


def thread() -> None:
    """Start a thread that goes on."""
    threading.Thread(target=threading.Event().wait, name="lingerer", daemon=True).start()


def module_global() -> None:
    """Change a dictionary of the module and rebind a number."""
    global SPEED
    SETTINGS["a"] = 1
    SPEED = 2


TASKS = (
    *(nothing, root_handler, root_handler, named_handler, level, directory, umask, environ, path),
    *(warning_filter, precision, recursion, draw, handle, thread, module_global, nothing),
)


def executor(method: str) -> Executor:
    """Make an executor of one worker."""
    if method == "loky":
        import loky

        return loky.ProcessPoolExecutor(1)
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method))


if __name__ == "__main__":
    with executor(sys.argv[1]) as pool:
        for task in TASKS:
            pool.submit(task).result()
