"""``if __name__ == "__main__":``, as a script's source has it: read as text, nothing is run."""

from __future__ import annotations

import ast
from functools import lru_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import CodeType

_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


def is_guard(test: ast.AST) -> bool:
    """Tell whether a condition asks if the module is the main program."""
    names = {node.id for node in ast.walk(test) if isinstance(node, ast.Name)}
    texts = {node.value for node in ast.walk(test) if isinstance(node, ast.Constant)}
    return "__name__" in names and "__main__" in texts


class _Elsewhere(ast.NodeTransformer):
    """Has a script ask about ``__mp_main__`` where it asks whether it is the main program."""

    asks = False

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        before, self.asks = self.asks, self.asks or is_guard(node)
        self.generic_visit(node)
        self.asks = before
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if self.asks and node.id == "__name__":
            return ast.copy_location(ast.Constant("__mp_main__"), node)
        return node


def compiled(source: bytes | str, path: str) -> CodeType:
    """Give the code of a script for a worker, where it is ``__main__``, but not the main program.

    Where it asks whether it is, it gets the answer that multiprocessing's workers give. All else
    that goes by ``__name__`` is as in the parent: loggers, caches on disk, where functions belong.

    Raises:
        SyntaxError: it is no Python.
    """
    tree = _Elsewhere().visit(ast.parse(source, path))
    code: CodeType = compile(tree, path, "exec", dont_inherit=True)
    return code


@lru_cache(maxsize=32)
def guard_lines(path: str) -> tuple[tuple[int, int], ...]:
    """Give the lines of a script, first and last, that only run when it is the main program."""
    return tuple(
        (node.lineno, max(getattr(each, "end_lineno", node.lineno) or 0 for each in node.body))
        for node in _body(path)
        if isinstance(node, ast.If) and is_guard(node.test)
    )


def is_guarded(path: str, line: int) -> bool:
    """Tell whether a line of a script runs only when it is the main program."""
    return any(first <= line <= last for first, last in guard_lines(path))


@lru_cache(maxsize=4)
def names_bound(path: str) -> frozenset[str] | None:
    """Give the names that an import of the script binds; None where its source can't be read.

    ``module:*`` stands for what is imported by a star.
    """
    body = _body(path)
    return frozenset(_bound(body)) if body else None


@lru_cache(maxsize=4)
def names_set(path: str) -> frozenset[str]:
    """Give the names that a script sets, but not where an import of it does.

    Under the guard, by ``global`` in functions; and attributes that are set of anything.
    """
    return frozenset(_set(_body(path), guarded=False))


def _set(body: Iterable[ast.AST], *, guarded: bool) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.Global):
            yield from node.names
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr
        elif guarded and isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        if isinstance(node, ast.If) and is_guard(node.test):
            yield from _set(node.body, guarded=True)
            yield from _set(node.orelse, guarded=guarded)
        else:
            inside = guarded and not isinstance(node, _SCOPES)
            yield from _set(ast.iter_child_nodes(node), guarded=inside)


def _body(path: str) -> list[ast.stmt]:
    try:
        with open(path, "rb") as file:
            return ast.parse(file.read()).body
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return []


def _bound(body: Iterable[ast.AST]) -> Iterator[str]:
    for node in body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for each in node.names:
                if each.name == "*" and isinstance(node, ast.ImportFrom):
                    yield f"{'.' * node.level}{node.module or ''}:*"
                yield each.asname or each.name.partition(".")[0]
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        if isinstance(node, _SCOPES):
            continue
        if isinstance(node, ast.If) and is_guard(node.test):
            yield from _bound(node.orelse)
        else:
            yield from _bound(ast.iter_child_nodes(node))
