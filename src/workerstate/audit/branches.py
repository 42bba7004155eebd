"""Code of the program that asks whether the start method is fork."""

from __future__ import annotations

import ast
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_ASKS = "get_start_method"


@lru_cache(maxsize=512)
def branches(module: str, path: str) -> tuple[tuple[str, int], ...]:
    """Give name and line of each place of a source file that compares the start method to fork."""
    try:
        text = Path(path).read_bytes()
        tree = ast.parse(text) if _ASKS.encode() in text else ast.Module([], [])
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    return tuple(_of_body(tree, module))


def _of_body(scope: ast.AST, name: str) -> Iterator[tuple[str, int]]:
    held = _names_of_answer(scope)
    for node in _own(scope):
        if isinstance(node, ast.Compare) and _compares(node, held):
            yield name, node.lineno
            break
    for node in _own(scope):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield from _of_body(node, f"{name}.{node.name}")


def _own(scope: ast.AST) -> Iterator[ast.AST]:
    """Give what is below a scope, but not what is inside the functions and classes in it."""
    for node in ast.iter_child_nodes(scope):
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield from _own(node)


def _names_of_answer(scope: ast.AST) -> set[str]:
    """Give the names to which the start method is assigned."""
    return {
        target.id
        for node in _own(scope)
        if isinstance(node, ast.Assign) and _is_question(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _is_question(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    called = node.func
    return (
        called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
    ) == _ASKS


def _compares(node: ast.Compare, held: set[str]) -> bool:
    sides = [node.left, *node.comparators]
    asks = any(_is_question(s) or (isinstance(s, ast.Name) and s.id in held) for s in sides)
    texts = {each.value for s in sides for each in ast.walk(s) if isinstance(each, ast.Constant)}
    return asks and "fork" in texts
