"""What a worker can open for itself: a module's global that the module makes by a call.

The call is read from the source. Where it stands at the top level of its module, and nothing else
sets the name, a worker can repeat it. A name that begins as None, and is set where that is found,
need only be None again.
"""

from __future__ import annotations

import ast
import builtins
from pathlib import Path
from typing import TYPE_CHECKING

from workerstate.values import Value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workerstate.audit.finding import Inherited

# Names inside these are their own.
_SCOPES = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.NamedExpr)


class Opening(Value):
    """A global that each worker opens for itself.

    Attributes:
        module: where it is.
        name: what it is called there.
        expression: the source of what makes it.
        where: the path and line of that.
    """

    module: str
    name: str
    expression: str
    where: str

    @property
    def full(self) -> str:
        """The name of the global, as findings have it."""
        return f"{self.module}.{self.name}"

    @property
    def function(self) -> str:
        """What the function is called that opens it."""
        home = "" if self.module == "__main__" else self.module.replace(".", "_") + "_"
        return f"open_{home}{self.name.strip('_')}".lower()

    def code(self) -> str:
        """Give that function, for the program's main module."""
        own = self.module == "__main__"
        expression = self.expression if own else _qualified(self.expression, self.module)
        target = self.name if own else self.full
        lines = [
            f"def {self.function}():",
            '    """Open it anew in each worker; what a fork copied stays, and stays open."""',
            *([f"    global {self.name}"] if own else []),
            f"    {self.function}.inherited = {target}",
            f"    {target} = {expression}",
            f"    return {target}",
        ]
        return "\n".join(lines)


def opening_of(finding: Inherited) -> Opening | None:
    """Give how a worker can open what a finding names; None where the source doesn't say."""
    module, _, name = finding.name.rpartition(".")
    for place in (finding.where_set, finding.where_read):
        path, _, _ = (place or "").rpartition(":")
        tree = _parsed(path) if _is_of(path, module) else None
        found = None if tree is None else _only_value(tree, name)
        if found is not None:
            return Opening(module, name, ast.unparse(found), f"{path}:{found.lineno}")
    return None


def _is_of(path: str, module: str) -> bool:
    """Tell whether a file can be the module's; a name may be a class's attribute."""
    return module == "__main__" or Path(path).stem in (module.rpartition(".")[2], "__init__")


def _parsed(path: str) -> ast.Module | None:
    try:
        return ast.parse(Path(path).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None


def _only_value(tree: ast.Module, name: str) -> ast.expr | None:
    """Give what a module makes a global of, if a worker can do the same."""
    values = [node.value for node in _top_level(tree.body) if _sets(node, name)]
    if len(values) != 1 or values[0] is None:
        return None
    value = values[0]
    if any(isinstance(node, ast.Global) and name in node.names for node in ast.walk(tree)):
        lazy = isinstance(value, ast.Constant) and value.value is None and _asks(tree, name)
        return value if lazy else None
    own_names = any(isinstance(node, _SCOPES) for node in ast.walk(value))
    return value if isinstance(value, ast.Call) and not own_names else None


def _asks(tree: ast.Module, name: str) -> bool:
    """Tell whether a module asks somewhere whether the global has been made yet."""
    asked = (f"{name} is None", f"not {name}")
    return any(
        isinstance(node, ast.If) and ast.unparse(node.test) in asked for node in ast.walk(tree)
    )


def _top_level(body: list[ast.stmt]) -> Iterator[ast.Assign | ast.AnnAssign]:
    for node in body:
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            yield node
        elif isinstance(node, (ast.If, ast.Try, ast.With)):
            yield from _top_level(node.body)


def _sets(node: ast.Assign | ast.AnnAssign, name: str) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return any(isinstance(target, ast.Name) and target.id == name for target in targets)


def _qualified(expression: str, module: str) -> str:
    """Write an expression of a module's as another module has to."""

    class Qualify(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            if hasattr(builtins, node.id):
                return node
            return ast.parse(f"{module}.{node.id}", mode="eval").body

    return ast.unparse(Qualify().visit(ast.parse(expression, mode="eval")))
