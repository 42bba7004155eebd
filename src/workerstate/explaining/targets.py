"""Finds the task that a user names: ``module:function`` or ``script.py:function``."""

from __future__ import annotations

import ast
import os
import signal
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from workerstate.errors import UsageError, nearest


def load(target: str, seconds: float) -> Any:
    """Give what ``target`` names, importing its module. For a process of its own: it becomes main.

    A script is loaded as the main module, without what stands under its ``__main__`` guard. What
    it prints goes to stderr.

    Raises:
        UsageError: there is no such thing, or loading it failed or took longer than ``seconds``.
    """
    home, _, name = target.rpartition(":")
    if not home or not name:
        raise UsageError(f"explain {target!r}: give module:function or script.py:function")
    is_script = home.endswith(".py") or os.sep in home
    folder = os.path.dirname(os.path.abspath(home)) if is_script else os.getcwd()
    sys.path.insert(0, folder)
    sys.modules["__main__"] = types.ModuleType("__main__")
    with _stdout_to_stderr(), _limit(home, seconds):
        try:
            module = _run_script(home) if is_script else import_module(home)
        except UsageError:
            raise
        except ImportError as error:
            if error.name == home:
                raise UsageError(f"no module {home!r} on the import path from here") from error
            raise UsageError(f"importing {home} failed: {_words(error)}") from error
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            raise UsageError(f"importing {home} failed: {_words(error)}") from error
        return _look_up(module, home, name)


def _look_up(module: types.ModuleType, home: str, path: str) -> Any:
    value: Any = module
    for part in path.split("."):
        try:
            value = getattr(value, part)
        except AttributeError:
            near = nearest(part, [name for name in dir(value) if not name.startswith("__")])
            hint = f"; did you mean {near!r}?" if near else ""
            guard = " (what stands under the __main__ guard is not there)"
            under = guard if module.__name__ == "__main__" else ""
            raise UsageError(f"{home} has no {path!r}{under}{hint}") from None
    if not callable(value):
        raise UsageError(f"{home}:{path} is a {type(value).__name__}, which can't be called")
    return value


def _run_script(path: str) -> types.ModuleType:
    """Run a script as ``__main__``, but for what its guard keeps from workers."""
    try:
        source = Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"can't read {path}: {error.strerror}") from error
    tree = ast.fix_missing_locations(_Unguarded().visit(ast.parse(source, path)))
    module = sys.modules["__main__"]
    module.__file__ = os.path.abspath(path)
    module.__dict__["__builtins__"] = __builtins__
    sys.argv[:] = [path]
    exec(compile(tree, module.__file__, "exec"), module.__dict__)
    return module


class _Unguarded(ast.NodeTransformer):
    """Makes ``__name__ == "__main__"`` false, and keeps the name itself."""

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        sides = [node.left, *node.comparators]
        names = any(isinstance(side, ast.Name) and side.id == "__name__" for side in sides)
        main = any(isinstance(side, ast.Constant) and side.value == "__main__" for side in sides)
        if names and main and len(sides) == 2:
            return ast.copy_location(ast.Constant(isinstance(node.ops[0], ast.NotEq)), node)
        return node


@contextmanager
def _stdout_to_stderr() -> Iterator[None]:
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


@contextmanager
def _limit(home: str, seconds: float) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise UsageError(
            f"{home} was not loaded after {seconds:g} s: does its top level work or wait? Put that "
            'under if __name__ == "__main__", or give --timeout'
        )

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
