"""What the program puts right in a forked process itself: ``os.register_at_fork``."""

from __future__ import annotations

import ast
from functools import lru_cache
from pathlib import Path

_REGISTERS = "register_at_fork"


@lru_cache(maxsize=512)
def reset_functions(path: str) -> frozenset[int]:
    """Give the first lines of the functions of a file that run in each process that is forked.

    They are told by their names: ``os.register_at_fork(after_in_child=reset)``.
    """
    try:
        text = Path(path).read_bytes()
        tree = ast.parse(text) if _REGISTERS.encode() in text else ast.Module([], [])
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return frozenset()
    names = {_last_name(value) for node in ast.walk(tree) for value in _after_in_child(node)}
    return frozenset(
        min([node.lineno, *(each.lineno for each in node.decorator_list)])
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name in names
    )


def _after_in_child(node: ast.AST) -> list[ast.expr]:
    if not isinstance(node, ast.Call) or _last_name(node.func) != _REGISTERS:
        return []
    return [each.value for each in node.keywords if each.arg == "after_in_child"]


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
