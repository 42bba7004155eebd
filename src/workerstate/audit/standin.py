"""Stands in for the program's parent: starts reference workers by the target's own methods.

Run as ``python -c`` with the parent's directory and environment. It takes the parent's import path,
arguments and main module, which every start method hands on to its workers, and runs none of the
program itself.
"""

from __future__ import annotations

import importlib.util
import json
import multiprocessing
import sys
import types

from workerstate.audit import fresh

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PATIENCE = 30.0  # seconds that the imports of a worker may take


def main(request_path: str, targets: list[str], with_main: bool) -> None:
    """Start the reference workers, one method after the other; each writes its answer."""
    with open(request_path) as file:
        request = json.load(file)
    ours = list(sys.path)
    sys.path[:] = request["path"]
    sys.path += [entry for entry in ours if entry not in sys.path]
    sys.argv[:] = request["argv"]
    _take_main(request["main"] if with_main else {})
    for target in targets:
        for number in range(2 if target == "forkserver" else 1):
            _start(target, request, request_path, f"{request_path}.{target}.{number}")


def _take_main(main: dict[str, Any]) -> None:
    """Have a main module that says it is the program's, so that workers import that."""
    module = types.ModuleType("__main__")
    module.__spec__ = None
    if main.get("name"):
        module.__spec__ = importlib.util.spec_from_loader(main["name"], None)
    elif main.get("path"):
        module.__file__ = main["path"]
    sys.modules["__main__"] = module


def _start(target: str, request: dict[str, Any], request_path: str, answer_path: str) -> None:
    if target == "loky":
        context = _loky()
    else:
        context = multiprocessing.get_context(target)
        if target == "forkserver":
            context.set_forkserver_preload([*request["preload"], "workerstate.audit.witness"])
    worker = context.Process(target=fresh.answer, args=(request_path, answer_path, target))
    worker.start()
    worker.join(PATIENCE)
    if worker.exitcode is None:
        sys.stderr.write(f"its imports did not end in {PATIENCE:.0f} s\n")
        worker.kill()
        worker.join()


def _loky() -> Any:
    """Give loky's context; without loky, that of spawn, of which no main module is known."""
    for name in ("loky.backend", "joblib.externals.loky.backend"):
        try:
            return importlib.import_module(name).get_context("loky")
        except ImportError:
            continue
    _take_main({})
    return multiprocessing.get_context("spawn")
