"""Plugins: facets of third parties are found in the parent and reach workers by reference."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src"

MODULE = """
from workerstate.facets import Facet
from workerstate.values import Captured

OPTIONS = {"db": 0}


class Options(Facet):
    name = "redis_options"

    def capture(self):
        return Captured(dict(OPTIONS), {})

    def apply(self, settings):
        OPTIONS.update(settings)


class Broken(Options):
    name = "broken"

    def capture(self):
        raise RuntimeError("no connection")


options, broken, nonsense = Options(), Broken(), 42
"""

PROGRAM = """
import sys

import redis_options
from workerstate import Executor, WorkerSpec


def look(_):
    return redis_options.OPTIONS["db"], "importlib.metadata" in sys.modules


if __name__ == "__main__":
    redis_options.OPTIONS["db"] = 7
    try:
        with Executor(1, spec=WorkerSpec(carry=[sys.argv[1]]), start_method=sys.argv[2]) as pool:
            print(pool.submit(look, 0).result())
    except Exception as error:
        print(type(error).__name__, error)
"""


@pytest.fixture
def run(tmp_path: Path):
    """Give a function that runs the program where a distribution offers facets."""
    info = tmp_path / "redis_options-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: redis_options\nVersion: 1.0\n")
    points = "redis_options = redis_options:options\nbroken = redis_options:broken\n"
    points += "nonsense = redis_options:nonsense\n"
    (info / "entry_points.txt").write_text(f"[workerstate.facets]\n{points}")
    (tmp_path / "redis_options.py").write_text(MODULE)
    (tmp_path / "program.py").write_text(PROGRAM)

    def run(facet: str, method: str = "spawn", **env: str) -> str:
        path = os.pathsep.join((str(SOURCE), str(tmp_path)))
        done = subprocess.run(
            [sys.executable, "program.py", facet, method],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": path, **env},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout.strip()

    return run


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_plugin_facet_is_carried(run, method: str) -> None:
    """A third party's facet is carried like ours, and workers don't look for entry points."""
    value, looked = run("redis_options", method).strip("()").split(", ")
    assert value == "7"
    # A forked worker has what its parent has imported.
    assert looked == ("True" if method == "fork" else "False")


def test_plugins_can_be_turned_off(run) -> None:
    """With the switch set, a third party's facet is unknown."""
    assert "SpecError" in run("redis_options", WORKERSTATE_NO_PLUGINS="1")


def test_a_misspelt_plugin_is_named(run) -> None:
    """The nearest name is offered, third parties' included."""
    assert "did you mean 'redis_options'?" in run("redis_option")


@pytest.mark.parametrize(
    ("facet", "said"), [("broken", "no connection"), ("nonsense", "is a int, not a Facet")]
)
def test_a_plugin_that_fails_is_an_error_that_names_it(run, facet: str, said: str) -> None:
    """A facet that raises, or is none, is told in the parent before any worker starts."""
    told = run(facet)
    assert told.startswith(("SpecError", "FacetError"))
    assert facet in told
    assert said in told
