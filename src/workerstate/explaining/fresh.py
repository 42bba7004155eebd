"""Runs in a fresh interpreter: imports what a worker would, in its order, and says what that took.

It is run as a script. Asked and answered in marshal's format, which needs no import; what the
modules print goes nowhere.
"""

from __future__ import annotations

import marshal
import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def main() -> None:
    """Read what is asked, answer row by row: who reads sees how far it came."""
    asked = marshal.loads(sys.stdin.buffer.read())
    answers = os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    sys.path[:] = asked["path"]
    sys.argv[:] = asked["argv"]
    # What is looked up in the main module must not be found in this one.
    asked["kept"], sys.modules["__main__"] = sys.modules["__main__"], type(sys)("__main__")
    for name in asked["baseline"]:
        _measure(lambda: __import__(name))  # noqa: B023
    if asked["main"]:
        _answer(answers, _measure(lambda: _run_main(asked["main"])))
    for name in asked["modules"]:
        _answer(answers, _measure(lambda: __import__(name)))  # noqa: B023
    for module, name in asked["names"]:
        _answer(answers, _look_up(module, name))
    for name in asked["later"]:
        _answer(answers, _measure(lambda: __import__(name)))  # noqa: B023
    # What the modules left running must not keep us.
    os._exit(0)


def _answer(to: int, row: Any) -> None:
    os.write(to, marshal.dumps(row))


def _measure(load: Callable[[], object]) -> tuple[float, int, str | None]:
    """Give milliseconds, the number of modules that came, and why it failed."""
    before = len(sys.modules)
    start = time.perf_counter()
    error = None
    try:
        load()
    except BaseException as raised:
        error = f"{type(raised).__name__}: {raised}"
    return round((time.perf_counter() - start) * 1000, 2), len(sys.modules) - before, error


def _run_main(main: dict[str, str]) -> None:
    """Load the main module as a spawned worker does, which may start no process meanwhile."""
    from multiprocessing import process, spawn

    here: Any = process.current_process()
    here._inheriting = True
    try:
        spawn.prepare(main)
    finally:
        del here._inheriting


def _look_up(module: str, name: str) -> str | None:
    """Say why pickle would not find a name; None if it would."""
    value: Any = sys.modules.get(module)
    if value is None:
        return None  # the failed import has been told
    try:
        for part in name.split("."):
            value = getattr(value, part)
    except BaseException as raised:
        return f"{type(raised).__name__}: {raised}"
    return None


if __name__ == "__main__":
    main()
