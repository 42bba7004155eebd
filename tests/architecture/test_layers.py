"""Architecture: who may import whom."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "workerstate"
CONFIG = ROOT / "pyproject.toml"
# The only libraries that are imported at the top of a file; others are somebody's backend or facet.
DEPENDENCIES = {"rich"}
# Which is loaded by that library.
FOR_A_LIBRARY = {
    "pytest_plugin.py": {"pytest"},
    "by_value.py": {"cloudpickle"},
    "backends/joblib_engine/backend.py": {"joblib"},
    "backends/joblib_engine/batch.py": {"joblib"},
}


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Check the contracts of pyproject.toml on the package in ``folder``."""
    program = (
        "import sys; from importlinter.cli import lint_imports; "
        f"sys.exit(lint_imports(config_filename={str(CONFIG)!r}, no_cache=True))"
    )
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={"PYTHONPATH": str(folder), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_rooms_import_only_what_stands_below_them() -> None:
    """The import contracts hold: layers, and a start-up hook that stands alone."""
    pytest.importorskip("importlinter")
    done = lint(SOURCE.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_contracts_would_notice(tmp_path: Path) -> None:
    """An import that goes up is reported: the contracts are not empty words."""
    pytest.importorskip("importlinter")
    for path in SOURCE.rglob("*.py"):
        copy = tmp_path / "workerstate" / path.relative_to(SOURCE)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(path.read_text())
    snapshot = tmp_path / "workerstate" / "snapshot.py"
    snapshot.write_text(snapshot.read_text() + "\nimport workerstate.cli.run\n")
    done = lint(tmp_path)
    assert done.returncode == 1
    assert "workerstate.snapshot is not allowed to import workerstate.cli" in done.stdout


def top_level_imports(path: Path) -> set[str]:
    """Give the modules that a file imports when it is itself imported."""
    found: set[str] = set()
    todo: list[ast.stmt] = list(ast.parse(path.read_text()).body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
        elif isinstance(node, ast.Try):
            todo += node.body + node.orelse + node.finalbody
        elif isinstance(node, ast.If):
            name = ast.unparse(node.test)
            todo += node.orelse + ([] if name.endswith("TYPE_CHECKING") else node.body)
    return found


# The programs of experiments are no parts of the package.
FILES = sorted(path for path in SOURCE.rglob("*.py") if "programs" not in path.parts)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_libraries_are_imported_inside_functions(path: Path) -> None:
    """No file imports a library at its top that the program may not have."""
    foreign = {name.partition(".")[0] for name in top_level_imports(path)}
    name = str(path.relative_to(SOURCE))
    allowed = {"workerstate"} | DEPENDENCIES | FOR_A_LIBRARY.get(name, set())
    assert foreign - set(sys.stdlib_module_names) - allowed == set()


@pytest.mark.parametrize("folder", ["facets", "backends", "observe/rules"])
def test_neighbours_do_not_know_each_other(folder: str) -> None:
    """A facet, backend or family of rules imports none of its neighbours."""
    shared = {"rule"}  # what the rules share
    if folder == "observe/rules":
        shared.add("forkserver")  # forks.py tells of the fork server too
    home = "workerstate." + folder.replace("/", ".")
    for path in (SOURCE / folder).glob("[a-z]*.py"):
        neighbours = {
            name.removeprefix(home + ".").partition(".")[0]
            for name in top_level_imports(path)
            if name.startswith(home + ".")
        }
        assert neighbours - shared - {path.stem} == set(), path


def test_the_hook_imports_next_to_nothing() -> None:
    """Every interpreter below us pays for the hook: os, sys, time and _thread are all it has."""
    assert top_level_imports(SOURCE / "observe" / "hook.py") == {"os", "sys", "time", "_thread"}
    assert top_level_imports(SOURCE / "observe" / "shim" / "sitecustomize.py") == {"os", "sys"}
