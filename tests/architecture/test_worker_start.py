"""Architecture: what a worker imports to start as declared."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

# What must never come into a worker for our sake: it costs more than all of us.
FORBIDDEN = (
    "typing",
    "dataclasses",
    "argparse",
    "importlib.metadata",
    "rich",
    "inspect",
    "tempfile",
    "workerstate.executor",
    "workerstate.fleet",
    "workerstate.carrying",
    "workerstate.spec_checks",
    "workerstate.records.hub",
    "workerstate.observe",
)

PROGRAM = """
import json, sys
import multiprocessing as mp
import workerstate

def names():
    return sorted(sys.modules)

if __name__ == "__main__":
    before = mp.get_context("spawn").Pool(1)
    plain = before.apply(names)
    before.terminate()
    spec = workerstate.WorkerSpec(carry=["warnings", "cwd"], set={"decimal": {"prec": 9}}, seed=1)
    pool = mp.get_context("spawn").Pool(1, initializer=spec)
    print(json.dumps(sorted(set(pool.apply(names)) - set(plain))))
    pool.terminate()
"""


@pytest.fixture(scope="module")
def brought(tmp_path_factory):
    """Give the modules that a started worker has, and a plain one has not."""
    path = tmp_path_factory.mktemp("imports") / "program.py"
    path.write_text(PROGRAM)
    done = subprocess.run([sys.executable, path], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_worker_imports_only_its_own_side(brought):
    """Starting brings in nothing heavy, and nothing of the parent's side."""
    assert [name for name in brought if name.startswith(FORBIDDEN)] == []


def test_a_worker_imports_no_third_party(brought):
    """Starting brings in the standard library and workerstate, and nothing else."""
    foreign = {name.partition(".")[0] for name in brought} - set(sys.stdlib_module_names)
    assert foreign <= {"workerstate"}
