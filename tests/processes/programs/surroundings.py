"""Prints what a program can see of how it was started, as JSON; also from a spawned worker."""

from __future__ import annotations

import builtins
import json
import multiprocessing
import os
import signal
import sys
import threading
import warnings


def surroundings() -> dict[str, object]:
    """Say what this process finds around it."""
    here = {name: value for name, value in os.environ.items() if name != "WORKERSTATE_RUN"}
    here["PYTHONPATH"] = here.get("PYTHONPATH", "").rpartition("observe/shim")[2].lstrip(":")
    return {
        "argv": sys.argv,
        "path": sys.path,
        "meta_path": [_name(finder) for finder in sys.meta_path],
        "path_hooks": len(sys.path_hooks),
        "flags": [*sys.flags],
        "warnings": [str(entry) for entry in warnings.filters],
        "warnoptions": sys.warnoptions,
        "xoptions": sys._xoptions,
        "executable": sys.executable,
        "prefix": sys.prefix,
        "directory": os.getcwd(),
        "environ": dict(sorted(here.items())),
        "signals": {
            number.name: str(signal.getsignal(number))
            for number in signal.Signals
            if not str(signal.getsignal(number)).startswith("<")
        },
        "threads": [thread.name for thread in threading.enumerate()],
        "builtins": sorted(name for name in vars(builtins) if name != "_"),
        "trace": [str(sys.gettrace()), str(sys.getprofile())],
        "hooks": [sys.excepthook is sys.__excepthook__, sys.displayhook is sys.__displayhook__],
        "low files": [number for number in range(64) if _is_open(number)],
        "recursion": sys.getrecursionlimit(),
        "start method": multiprocessing.get_start_method(allow_none=True),
    }


def _name(finder: object) -> str:
    return getattr(finder, "__name__", type(finder).__name__)


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    seen = {"program": surroundings()}
    if "spawn" in sys.argv:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            seen["worker"] = pool.apply(surroundings)
            pool.close()
            pool.join()
    print(json.dumps(seen))
