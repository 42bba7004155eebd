"""Where the program's sources set what: read as text, nothing of them is run."""

from __future__ import annotations

import ast
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from workerstate.audit.resets import reset_functions
from workerstate.guard import is_guard
from workerstate.values import Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

# Methods that change what they are called on.
_CHANGERS = frozenset(
    (
        *("append", "extend", "insert", "remove", "pop", "clear", "update", "setdefault", "add"),
        *("discard", "popitem", "appendleft", "sort", "seed", "set", "register", "load"),
        *("read", "read_dict", "read_file", "read_string", "configure", "connect", "__setitem__"),
    )
)
_CALLED = "()"
_PATCHERS = frozenset(("setattr", "object", "patch", "setitem", "dict"))


class Store(Value):
    """One place that sets something.

    Attributes:
        target: a dotted name as far as it is known: ``app.settings.debug``; ``?.debug`` for an
            attribute of what is not known.
        path: the file; ``line`` in it.
        function: (line, name) of the function it is in, None at the module's top level.
        guarded: below ``if __name__ == "__main__"``.
        method: the name of the method that is called for it, if one is.
        counts: it adds to what is there (``+=``), or the like.
        fills: it does so only after asking for what is there: a cache, or what is made when needed.
    """

    target: str
    path: str
    line: int
    function: tuple[int, str] | None
    guarded: bool
    method: str = ""
    counts: bool = False
    fills: bool = False

    @property
    def at_import(self) -> bool:
        """Whether a worker that imports the module does it too."""
        return self.function is None and not self.guarded

    @property
    def in_forked(self) -> bool:
        """Whether it is in a function that runs in each process that is forked, and only there."""
        return self.function is not None and self.function[0] in reset_functions(self.path)


class Places:
    """The stores of all modules of a program, by what they set."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self._stores: list[Store] = []
        self._modules = set(files)
        for module, path in files.items():
            self._stores += stores(module, path)

    def of(self, root: str, chains: Iterable[tuple[str, ...]] = ()) -> list[Store]:
        """Give the places that set a root, or what hangs on it."""
        found = [s for s in self._stores if s.target == root or s.target.startswith(root + ".")]
        for chain in chains:
            last = next((step[1:] for step in reversed(chain) if step.startswith(".")), None)
            if last:
                found += [s for s in self._stores if self._may_set(s, last) and s not in found]
        return found

    def _may_set(self, store: Store, attribute: str) -> bool:
        """Tell whether it sets an attribute of that name on what may be any object."""
        owner, _, name = store.target.rpartition(".")
        return name == attribute and owner not in self._modules and owner.count(".") <= 1

    def counted(self, root: str) -> set[str]:
        """Give the lines that read a root only to add to it."""
        return {f"{s.path}:{s.line}" for s in self._stores if s.counts and s.target == root}

    def outside(
        self, root: str, chains: Iterable[tuple[str, ...]], followed: set[tuple[str, int]]
    ) -> list[Store]:
        """Give those that neither an import nor the task's own code runs."""
        return [
            store
            for store in self.of(root, chains)
            if not store.at_import
            and (store.function is None or (store.path, store.function[0]) not in followed)
            and not (store.function is not None and store.function[1] == "__init__")
            and not store.in_forked
        ]

    def where(
        self, root: str, chains: Iterable[tuple[str, ...]], followed: set[tuple[str, int]]
    ) -> str | None:
        """Give the place that most likely set it: in code that only the parent runs, the last."""
        chains = list(chains)
        for found in (self.outside(root, chains, followed), self.of(root, ())):
            if found:
                best = max(
                    found,
                    key=lambda s: (s.target == root or "?" not in s.target, s.guarded, s.line),
                )
                return f"{best.path}:{best.line}"
        return None


def stores(module: str, path: str) -> list[Store]:
    """Give the places of one source file that set something."""
    return [store for store in _read(module, path) if store.method != _CALLED]


def calls(module: str, path: str) -> list[Store]:
    """Give the places of one source file that call something with arguments, by what is called."""
    return [store for store in _read(module, path) if store.method == _CALLED]


@lru_cache(maxsize=512)
def _read(module: str, path: str) -> tuple[Store, ...]:
    tree = _parsed(path)
    return () if tree is None else tuple(_Reader(module, path, tree).read(tree.body))


@lru_cache(maxsize=512)
def stores_in(module: str, path: str, line: int) -> tuple[Store, ...]:
    """Give the places that set something in the function that begins in a line.

    Nothing else of the file is read: a library's may be long.
    """
    tree = _parsed(path)
    if tree is None:
        return ()
    found = (store for node in _functions(tree.body) if _first_line(node) == line
             for store in _Reader(module, path, tree).read([node]))  # fmt: skip
    return tuple(
        s for s in found if s.method != _CALLED and s.function is not None and s.function[0] == line
    )


@lru_cache(maxsize=8)
def _parsed(path: str) -> ast.Module | None:
    try:
        return ast.parse(Path(path).read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _functions(body: Iterable[ast.AST]) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Give the functions of a module and its classes, also below an ``if`` or ``try``."""
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node
        elif isinstance(node, (ast.ClassDef, ast.If, ast.Try, ast.With)):
            yield from _functions(ast.iter_child_nodes(node))


def _first_line(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return min([node.lineno, *(each.lineno for each in node.decorator_list)])


class _Reader:
    def __init__(self, module: str, path: str, tree: ast.Module) -> None:
        self._module = module
        self._path = path
        self._aliases = _aliases(tree, module)

    def read(self, body: Iterable[ast.AST]) -> Iterator[Store]:
        yield from self._body(body, None, False, set(), self._module)

    def _body(
        self, body: Iterable[ast.AST], function: tuple[int, str] | None, guarded: bool,
        local: set[str], owner: str,
    ) -> Iterator[Store]:  # fmt: skip
        for node in body:
            yield from self._node(node, function, guarded, local, owner)

    def _node(
        self, node: ast.AST, function: tuple[int, str] | None, guarded: bool,
        local: set[str], owner: str,
    ) -> Iterator[Store]:  # fmt: skip
        def made(target: str, method: str = "") -> Store:
            line = getattr(node, "lineno", 0)
            counts = isinstance(node, ast.AugAssign)
            return Store(target, self._path, line, function, guarded, method, counts)

        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from self._function(node, function, guarded, local, owner)
            return
        if isinstance(node, ast.ClassDef):
            if function is None:
                yield made(f"{owner}.{node.name}")
            yield from self._body(node.body, function, guarded, local, f"{owner}.{node.name}")
            return
        if isinstance(node, ast.If) and function is None and is_guard(node.test):
            yield from self._body(node.body, function, True, local, owner)
            yield from self._body(node.orelse, function, guarded, local, owner)
            return
        if isinstance(node, ast.If):
            yield from self._branch(node, function, guarded, local, owner)
            return
        for target in _targets(node):
            dotted = self._dotted(target, function, local, owner)
            if dotted is not None:
                yield made(dotted)
        if isinstance(node, ast.Call):
            for dotted, method in self._changed(node, function, local, owner):
                yield made(dotted, method)
        yield from self._body(ast.iter_child_nodes(node), function, guarded, local, owner)

    def _function(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef, function: tuple[int, str] | None,
        guarded: bool, local: set[str], owner: str,
    ) -> Iterator[Store]:  # fmt: skip
        if function is None:
            yield Store(f"{owner}.{node.name}", self._path, node.lineno, None, guarded)
        first = _first_line(node)
        inner = _local_names(node)
        for each in node.decorator_list:
            if isinstance(each, ast.Attribute) and each.attr in _CHANGERS:
                dotted = self._dotted(each.value, function, local, owner)
                if dotted is not None:
                    yield Store(dotted, self._path, each.lineno, function, guarded)
        yield from self._body(node.decorator_list, function, guarded, local, owner)
        yield from self._body(node.body, (first, node.name), guarded, inner, owner)

    def _branch(
        self, node: ast.If, function: tuple[int, str] | None, guarded: bool, local: set[str],
        owner: str,
    ) -> Iterator[Store]:  # fmt: skip
        asked = {getattr(each, "id", getattr(each, "attr", "")) for each in ast.walk(node.test)}
        for store in self._body(node.body, function, guarded, local, owner):
            fills = store.target.rpartition(".")[2] in asked
            yield store.replace(fills=True) if fills else store
        yield from self._body((node.test, *node.orelse), function, guarded, local, owner)

    def _changed(
        self, call: ast.Call, function: tuple[int, str] | None, local: set[str], owner: str
    ) -> Iterator[tuple[str, str]]:
        called = call.func
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        if isinstance(called, ast.Attribute) and (
            name in _CHANGERS or name.startswith(("set_", "add_", "register_"))
        ):
            dotted = self._dotted(called.value, function, local, owner)
            if dotted is not None:
                yield dotted, name
        if call.args or call.keywords:
            dotted = self._dotted(called, function, local, owner)
            if dotted is not None:
                yield dotted, _CALLED
        if name in _PATCHERS and call.args:
            first = call.args[0]
            text = first.value if isinstance(first, ast.Constant) else None
            if isinstance(text, str):
                yield text, ""
            elif len(call.args) > 1 and isinstance(call.args[1], ast.Constant):
                base = self._dotted(first, function, local, owner)
                yield f"{base or '?'}.{call.args[1].value!s}", ""

    def _dotted(
        self, node: ast.AST, function: tuple[int, str] | None, local: set[str], owner: str
    ) -> str | None:
        if isinstance(node, (ast.Subscript, ast.Starred)):
            return self._dotted(node.value, function, local, owner)
        if isinstance(node, ast.Attribute):
            base = self._dotted(node.value, function, local, owner)
            return (
                f"{base or '?'}.{node.attr}"
                if not (base or "").startswith("?")
                else f"?.{node.attr}"
            )
        if not isinstance(node, ast.Name) or (function is not None and node.id in local):
            return None
        if node.id in self._aliases:
            return self._aliases[node.id]
        return f"{owner if function is None else self._module}.{node.id}"


def _targets(node: ast.AST) -> Iterator[ast.AST]:
    found: list[ast.AST] = []
    if isinstance(node, (ast.Assign, ast.Delete)):
        found = list(node.targets)
    elif isinstance(node, (ast.AugAssign, ast.AnnAssign, ast.NamedExpr)):
        found = [node.target] if getattr(node, "value", None) is not None else []
    elif isinstance(node, (ast.For, ast.AsyncFor)):
        found = [node.target]
    elif isinstance(node, (ast.With, ast.AsyncWith)):
        found = [item.optional_vars for item in node.items if item.optional_vars is not None]
    for target in found:
        if isinstance(target, (ast.Tuple, ast.List)):
            yield from target.elts
        else:
            yield target


def _local_names(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """Give the names that are the function's own: its parameters and what it assigns."""
    arguments = function.args
    names = {a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
    names |= {a.arg for a in (arguments.vararg, arguments.kwarg) if a is not None}
    shared: set[str] = set()
    for node in ast.walk(function):
        if isinstance(node, (ast.Global, ast.Nonlocal)):
            shared.update(node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names - shared


def _aliases(tree: ast.Module, module: str) -> dict[str, str]:
    """Give what imported names stand for."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for each in node.names:
                if each.asname:
                    found[each.asname] = each.name
                else:
                    top = each.name.partition(".")[0]
                    found[top] = top
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = module.split(".")
                base = ".".join([*parts[: len(parts) - node.level], *([base] if base else [])])
            for each in node.names:
                found[each.asname or each.name] = f"{base}.{each.name}"
    return found


def imported_from(module: str, path: str, name: str) -> str | None:
    """Give what a module's global was imported as, if it was (``from app import X``)."""
    try:
        tree = ast.parse(Path(path).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None
    found = _aliases(tree, module).get(name)
    return found if found is not None and "." in found else None
