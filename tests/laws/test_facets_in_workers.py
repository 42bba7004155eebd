"""Laws: what a facet carries arrives in a real worker, whatever its start method."""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from workerstate.facets import BUILTIN

HERE = Path(__file__).parent
SOURCE = HERE.parent.parent / "src"
CARRIED = [name for name in BUILTIN if name not in ("flags", "random", "threads")]
# These differ in a fresh interpreter, whoever started it.
LOST_BY_EXEC = {
    "logging",
    "warnings",
    "numpy",
    "decimal",
    "locale",
    "contextvars",
    "limits",
    "hooks",
    "modules",
    "pandas",
    "torch",
}


@functools.cache
def carried_to(method: str) -> dict:
    """Give what facet_carry.py saw of a worker of this start method."""
    if method == "loky" and importlib.util.find_spec("loky") is None:
        pytest.skip("loky is not installed")
    path = os.pathsep.join(map(str, (SOURCE, HERE, HERE / "fakes" / "site-packages")))
    done = subprocess.run(
        [sys.executable, str(HERE / "facet_carry.py"), method],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver", "loky"])
@pytest.mark.parametrize("name", CARRIED)
def test_settings_arrive(name, method):
    """After applying, the worker has for every setting the value that the parent had."""
    after = carried_to(method)["after"]
    if name not in after:
        pytest.skip(f"the library of {name} is not installed")
    assert after[name] == []


@pytest.mark.parametrize("method", ["spawn", "forkserver", "loky"])
def test_settings_were_lost_before(method):
    """Without applying, a fresh worker lacks those states, so that the law above can fail."""
    before = carried_to(method)["before"]
    assert {name for name, keys in before.items() if keys} >= LOST_BY_EXEC
