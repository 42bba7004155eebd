"""What belongs to a process as a whole, and a forked worker has a copy of that it should not.

Handlers of signals, threads of OpenMP, temporary directories that a copy would remove, values with
the process's own id.
"""

from __future__ import annotations

import ast
import os
import re
import sys
from functools import lru_cache
from pathlib import Path

from workerstate.audit.known import MethodType
from workerstate.audit.shapes import has_own_pid, resolve
from workerstate.fingerprint.classes import FunctionType, mro_of, name_of
from workerstate.program import is_users_file, user_modules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from workerstate.audit.reach import Reach

_TEMPORARY = ("tempfile.TemporaryDirectory", "tempfile._TemporaryFileWrapper")
_SETS_HANDLERS = ("signal.signal", "signal.sigaction")


def rows(reach: Reach, first: Reach, *, pool: bool, forked: bool) -> Iterator[dict[str, Any]]:
    """Give one row for each.

    Args:
        reach: of the task.
        first: of the initializer.
        pool: the task goes to a pool of multiprocessing's, or is a process of its own.
        forked: workers have just been forked.
    """
    yield from _temporary(reach, first)
    yield from _identities(reach)
    if pool:
        yield from _handlers(reach, first)
    if forked:
        yield from _openmp(reach)


def _temporary(reach: Reach, first: Reach) -> Iterator[dict[str, Any]]:
    """Give what is removed when its object is forgotten, and is forgotten in a worker."""
    for root in dict.fromkeys((*reach.stores, *first.stores)):
        value = resolve(root, ())
        if any(name_of(base) in _TEMPORARY for base in mro_of(type(value))):
            yield {"root": root, "what": "temporary", "text": f"a {name_of(type(value))}"}


def _identities(reach: Reach) -> Iterator[dict[str, Any]]:
    for root in reach.names:
        if has_own_pid(resolve(root, ())):
            yield {"root": root, "what": "pid", "text": "made of the parent's process id"}


def _handlers(reach: Reach, first: Reach) -> Iterator[dict[str, Any]]:
    """Give the program's handler of the signal by which multiprocessing ends workers."""
    signal: Any = sys.modules.get("_signal")
    if signal is None or not hasattr(signal, "SIGTERM") or not _terminates():
        return
    handler = signal.getsignal(signal.SIGTERM)
    function = handler.__func__ if type(handler) is MethodType else handler
    if type(function) is not FunctionType or not is_users_file(function.__code__.co_filename):
        return
    if not {*reach.calls, *first.calls}.isdisjoint(_SETS_HANDLERS):
        return
    name = f"{function.__module__}.{function.__qualname__}"
    place = f"{function.__code__.co_filename}:{function.__code__.co_firstlineno}"
    yield {"root": "signals:SIGTERM", "what": "handler", "text": name, "where": place}


def _terminates() -> bool:
    files = [namespace.get("__file__") for namespace in user_modules().values()]
    return any(type(file) is str and _ends_workers(file) for file in files)


@lru_cache(maxsize=512)
def _ends_workers(path: str) -> bool:
    """Tell whether a file terminates processes, or uses a pool by ``with``, which does."""
    try:
        tree = ast.parse(Path(path).read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr == "terminate":
            return True
        if isinstance(node, (ast.With, ast.AsyncWith)):
            calls = [each.context_expr for each in node.items]
            if any(isinstance(c, ast.Call) and ast.unparse(c.func).endswith("Pool") for c in calls):
                return True
    return False


def _openmp(reach: Reach) -> Iterator[dict[str, Any]]:
    """Give the runtime of OpenMP that has threads after a fork, if the task uses a library of its.

    Those of OpenBLAS end at a fork by themselves, and are started again.
    """
    threading: Any = sys.modules.get("threading")
    python = 1 if threading is None else len(threading._active) + len(threading._limbo)
    try:
        native = len(os.listdir("/proc/self/task")) - python
        with open("/proc/self/maps") as maps:
            libraries = {line.split()[-1] for line in maps if "omp" in line}
    except OSError:
        return
    for path in sorted(libraries):
        name = re.match(r"(libgomp|libiomp5|libomp)\b", os.path.basename(path))
        if name is not None and native > 0 and _is_of_used(path, reach):
            text = f"{native} threads"
            yield {"root": f"openmp:{name[1]}", "what": "runtime", "text": text}


def _is_of_used(path: str, reach: Reach) -> bool:
    """Tell whether the task uses the package that brings a library, or the system does."""
    found = re.search(r"-packages/([^/]+)/", path)
    if found is None:
        return True
    package = found[1].removesuffix(".libs").replace("scikit_learn", "sklearn")
    return package in reach.used
