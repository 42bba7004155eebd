"""Where a program makes its workers, and what is written there so that they have a spec."""

from __future__ import annotations

import ast
import os
from pathlib import Path
from typing import TYPE_CHECKING

from workerstate.observe.view import view
from workerstate.values import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    Rewrite = Callable[[ast.Call], tuple[str, str]]

MOST = 6


class Place(Value):
    """One call that makes workers.

    Attributes:
        path: the file.
        line: where the call begins.
        before: the call as it is.
        after: the call as it should be; empty where it stays.
        note: what to do besides; may be empty.
    """

    path: str
    line: int
    before: str
    after: str
    note: str = ""


def places(paths: Iterable[str], backends: Collection[str]) -> tuple[Place, ...]:
    """Give the calls in those files that make workers of those backends, and what to write instead.

    Each backend goes by its name in a recording: ``multiprocessing``, ``futures``, ``joblib`` ...
    """
    found: dict[tuple[str, int, str], Place] = {}
    for path in dict.fromkeys(map(os.path.abspath, paths)):
        try:
            tree = ast.parse(Path(path).read_bytes())
        except (OSError, SyntaxError, ValueError):
            continue
        for place in _Calls(tree, path, backends).below(tree):
            found.setdefault((path, place.line, place.before), place)
    return tuple(sorted(found.values(), key=lambda place: (place.path, place.line)))[:MOST]


def places_of(recording: str, paths: Iterable[str]) -> tuple[Place, ...]:
    """Give the calls that make the workers of a recorded program, in those files and its own.

    Raises:
        RecordingError: there is no such recording.
    """
    seen = view(recording)
    calling = [
        str(call["path"])
        for process in seen.recording.processes
        for call in process.calls
        if call.get("path")
    ]
    backends = {seen.origin(worker).backend for worker in seen.workers}
    return places([*calling, *paths], backends)


class _Calls:
    """The calls of one file that make workers, told by what the file imports."""

    def __init__(self, tree: ast.Module, path: str, backends: Collection[str]) -> None:
        self._path = path
        self._backends = backends
        # A name of the file -> the package that it comes from, and what it is called there.
        self._origins: dict[str, tuple[str, str]] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for each in node.names:
                    package = each.name.partition(".")[0]
                    self._origins[each.asname or package] = (package, "")
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for each in node.names:
                    package = node.module.partition(".")[0]
                    self._origins[each.asname or each.name] = (package, each.name)

    def below(self, node: ast.AST) -> Iterator[Place]:
        """Give the outermost ones."""
        rewrite = self._rewriting(node.func) if isinstance(node, ast.Call) else None
        if rewrite is not None and isinstance(node, ast.Call):
            yield Place(self._path, node.lineno, ast.unparse(node), *rewrite(node))
            return
        for child in ast.iter_child_nodes(node):
            yield from self.below(child)

    def _rewriting(self, function: ast.expr) -> Rewrite | None:
        owner: ast.expr = function
        while isinstance(owner, ast.Attribute):
            owner = owner.value
        if not isinstance(owner, ast.Name):
            return None
        package, name = self._origins.get(owner.id, ("", ""))
        name = function.attr if isinstance(function, ast.Attribute) else name
        wanted = _BACKENDS.get(package, package) in self._backends
        return _REWRITES.get((package, name)) if wanted else None


def _of_context(call: ast.Call) -> tuple[str, str]:
    name = ast.unparse(call.func).rpartition(".")[2]
    return f"spec.multiprocessing().{name}({_arguments(call)})", ""


def _context(call: ast.Call) -> tuple[str, str]:
    return f"spec.multiprocessing({_arguments(call)})", ""


def _option(word: str) -> Rewrite:
    def rewrite(call: ast.Call) -> tuple[str, str]:
        if word in [each.arg for each in call.keywords]:
            return "", f"give its {word}= to WorkerSpec(initializer=...), and {word}=spec to it"
        arguments = ", ".join(filter(None, (_arguments(call), f"{word}=spec")))
        return f"{ast.unparse(call.func)}({arguments})", ""

    return rewrite


def _note(text: str) -> Rewrite:
    return lambda call: ("", text)


_BACKENDS = {"concurrent": "futures", "sklearn": "joblib", "distributed": "dask"}
_BLOCK = _note("put the call into a block: with spec.joblib():")
_REWRITES: dict[tuple[str, str], Rewrite] = {
    ("multiprocessing", "get_context"): _context,
    ("multiprocessing", "Pool"): _of_context,
    ("multiprocessing", "Process"): _of_context,
    ("concurrent", "ProcessPoolExecutor"): _option("initializer"),
    ("loky", "get_reusable_executor"): _option("initializer"),
    ("loky", "ProcessPoolExecutor"): _option("initializer"),
    ("pebble", "ProcessPool"): _option("initializer"),
    ("torch", "DataLoader"): _option("worker_init_fn"),
    ("joblib", "Parallel"): _BLOCK,
    ("sklearn", "Parallel"): _BLOCK,
    ("mpire", "WorkerPool"): _note("call its map functions with **spec.mpire()"),
    ("dask", "Client"): _note(
        "client.register_plugin(spec.dask()), and submit spec.bind(function)"
    ),
    ("distributed", "Client"): _note("client.register_plugin(spec.dask()), submit spec.bind(fn)"),
}


def _arguments(call: ast.Call) -> str:
    return ", ".join(ast.unparse(each) for each in (*call.args, *call.keywords))
