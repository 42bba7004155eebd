"""How the parent executes a template: a fresh interpreter with this one's flags."""

from __future__ import annotations

import fcntl
import os
import pickle
import subprocess
import sys

from workerstate.engine import processes
from workerstate.errors import TemplateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from workerstate.engine import wire

_CODE = (
    "import sys; sys.path[:] = {path!r}; from workerstate.engine.template import main; main{fds}"
)


def execute(
    start: dict[str, Any], orders: wire.Link, arena: int, board: int
) -> subprocess.Popen[bytes]:
    """Execute a template.

    Args:
        start: what it is to be.
        orders: its end of the socket to it.
        arena: the file for what is big.
        board: the file in which workers say what they are doing.

    Raises:
        TemplateError: this program does not know its interpreter.
        OSError: the interpreter can't be executed.
    """
    if not sys.executable:
        raise TemplateError("start_method='template' executes Python, and sys.executable is empty")
    told = os.memfd_create("workerstate-start", os.MFD_CLOEXEC)
    fds: list[int] = []
    try:
        with open(os.dup(told), "wb") as file:
            pickle.dump(start, file)
        os.lseek(told, 0, os.SEEK_SET)
        for each in (orders.fileno(), told, arena, board):
            # Where the program has closed 0, 1 or 2, these would be the template's stdin and so on.
            fds.append(fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, 3))
        code = _CODE.format(path=_path(), fds=tuple(fds))
        flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
        return _begin([sys.executable, *flags, "-c", code], fds)
    finally:
        for fd in (told, *fds):
            os.close(fd)


def _begin(command: list[str], fds: list[int]) -> subprocess.Popen[bytes]:
    process = None
    try:
        with processes.interrupts_blocked():
            process = subprocess.Popen(command, pass_fds=fds, stdin=subprocess.DEVNULL)
    except BaseException:  # Ctrl-C, which was held back until here
        if process is not None:
            process.kill()
            process.wait()
        raise
    return process


def current_process() -> tuple[str, bytes] | None:
    """Give this process's name, and what opens its managers, if multiprocessing is there."""
    process = sys.modules.get("multiprocessing.process")
    if process is None:
        return None
    current = process.current_process()
    return current.name, bytes(current.authkey)


def _path() -> list[str]:
    """Give where imports come from, the current directory by its name.

    What isn't text the interpreter doesn't heed either, nor a directory that has been removed.
    """
    try:
        here = os.getcwd()
    except OSError:
        here = ""
    return [each or here for each in sys.path if type(each) is str and (each or here)]
