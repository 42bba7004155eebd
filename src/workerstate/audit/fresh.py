"""In a reference worker: what it has of the names that a task reads."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
import traceback

from workerstate import fingerprint
from workerstate.audit import made, sent, shapes
from workerstate.facets import get
from workerstate.snapshot import take_snapshot, texts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def answer(request_path: str, answer_path: str, target: str) -> None:
    """Import what a worker of ``target`` would import to read the task, and say what it has."""
    with open(request_path) as file:
        request = json.load(file)
    fingerprint.set_salt(bytes.fromhex(request["salt"]))
    failed: dict[str, str] = {}
    for module in request["modules"]:
        _bring(module, failed)
    if target == "loky":
        for module in request["modules_by_value"]:
            _bring(module, {})
    snapshot = texts(take_snapshot())
    found = _values(request)
    for module in request["sent"].values():
        _bring(module, failed)
    unsent = sent.absent(request["sent"])
    # What the task itself imports is there only once it runs.
    lazily: dict[str, str] = {}
    imports = (*request["first"]["imports"], *request["reads"]["imports"])
    for module in (*imports, *_libraries(request)):
        _bring(module, lazily)
    failed.update({name: why for name, why in lazily.items() if name in request["had"]})
    snapshot = {**texts(take_snapshot()), **snapshot}
    replaced = request["reads"]["replaced"]
    first = {key: shape for key, shape in found.items() if key not in replaced}
    found = {**_values(request), **first}
    result = {
        "values": found,
        "facets": snapshot,
        "failed": failed,
        "server": _server_modules(),
        "unfound": _unfound(request),
        "unsent": unsent,
    }
    _write(answer_path, result)
    if request["makers"]:  # last, since it is the program's code that runs now
        _write(answer_path, {**result, "made": made.make(request, shapes.shape_at)})
        os._exit(0)


def _write(path: str, result: dict[str, Any]) -> None:
    with open(path + ".new", "w") as file:
        json.dump(result, file)
    os.rename(path + ".new", path)


def _bring(module: str, failed: dict[str, str]) -> None:
    if module in sys.modules or module in ("__main__", "__mp_main__"):
        return
    try:
        importlib.import_module(module)
    except BaseException as error:
        last = traceback.format_exception_only(type(error), error)[-1].strip()
        failed[module] = last[:200]


def _libraries(request: dict[str, Any]) -> list[str]:
    """Give the modules of libraries that the task uses: wherever it does, they are there."""
    tables = (request["first"]["library"], request["reads"]["library"])
    used = [request["homes"].get(root) for table in tables for root in table]
    facets = [get(name).module for name in request["facets"] if name in request["reads"]["used"]]
    return [name for name in dict.fromkeys((*used, *facets)) if name]


def _values(request: dict[str, Any]) -> dict[str, Any]:
    """Give the shapes of the names whose modules are there."""
    found = {}
    for key in request["values"]:
        root, *chain = key.split("\t")
        if shapes.module_of(root) == request["homes"].get(root):
            try:
                found[key] = shapes.shape_at(root, tuple(chain))
            except Exception as error:
                found[key] = {"kind": "failed", "type": type(error).__name__, "digest": ""}
    return found


def _unfound(request: dict[str, Any]) -> list[str]:
    """Give the modules of the program whose file no import leads to: they were loaded by hand."""
    names = {name for modules in request["behind"].values() for name in modules}
    return sorted(name for name in names if not _is_found(name, request["module_files"].get(name)))


def _is_found(name: str, file: str | None) -> bool:
    if file is None or "." in name or name in sys.modules:
        return True
    try:
        found = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return False
    return found is not None and os.path.abspath(str(found.origin)) == file


def _server_modules() -> list[str]:
    """Give the modules that this worker has from its fork server."""
    witness: Any = sys.modules.get("workerstate.audit.witness")
    if witness is None or witness.pid == os.getpid():
        return []
    return sorted(witness.modules)
