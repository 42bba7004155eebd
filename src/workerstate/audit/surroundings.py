"""Where the parent is when it submits: what every start method hands on to its workers."""

from __future__ import annotations

import os
import sys

from workerstate.program import user_modules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MOST_FRAMES = 200


def surroundings(frame: Any) -> dict[str, Any]:
    """Give the parent's directory, environment, import path, arguments, flags and main module.

    ``frame`` is where the task is submitted.
    """
    return {
        "module_files": _files(),
        "environ": dict(os.environ),
        "cwd": _cwd(),
        "path": list(sys.path),
        "argv": list(sys.argv),
        "flags": _flags(),
        "main": _main(),
        "stack": _stack(frame),
        "preload": _preloaded(),
    }


def _preloaded() -> list[str]:
    """Give what the program has its fork server import beforehand."""
    server: Any = sys.modules.get("multiprocessing.forkserver")
    found = getattr(getattr(server, "_forkserver", None), "_preload_modules", None)
    return [str(name) for name in found or ["__main__"]]


def _files() -> dict[str, str]:
    found = {}
    for module, namespace in user_modules().items():
        file = namespace.get("__file__")
        if type(file) is str:
            found[module] = os.path.abspath(file)
    return found


def _cwd() -> str | None:
    try:
        return os.getcwd()
    except OSError:
        return None


def _flags() -> list[str]:
    subprocess: Any = sys.modules.get("subprocess")
    if subprocess is None:
        return []
    flags: list[str] = subprocess._args_from_interpreter_flags()
    return flags


def _main() -> dict[str, Any]:
    """Say where the main module is, as multiprocessing tells a worker."""
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    file = getattr(main, "__file__", None)
    name = getattr(spec, "name", None)
    if name is None and isinstance(file, str):
        process: Any = sys.modules.get("multiprocessing.process")
        folder = getattr(process, "ORIGINAL_DIR", None)
        if not os.path.isabs(file) and folder is not None:
            file = os.path.join(folder, file)
        return {"path": os.path.normpath(file), "name": None}
    return {"path": file if isinstance(file, str) else None, "name": name}


def _stack(frame: Any) -> dict[str, Any]:
    """Say from which line of the main module's own code the task was submitted, if it was."""
    found: dict[str, Any] = {"line": None, "path": None}
    main = vars(sys.modules["__main__"])
    for _ in range(_MOST_FRAMES):
        if frame is None:
            break
        own = frame.f_code.co_name == "<module>"
        # In a worker, multiprocessing's own command has the name too.
        if own and frame.f_globals is main:
            found = {"line": frame.f_lineno, "path": frame.f_code.co_filename}
        frame = frame.f_back
    return found
