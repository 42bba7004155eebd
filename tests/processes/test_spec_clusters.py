"""Processes: workers that others start: dask's, ray's, and those that are told their number."""

from __future__ import annotations

import json
import multiprocessing as mp
import os
import subprocess
import sys
from pathlib import Path

import pytest
import spec_workers

from workerstate import WorkerSpec

DASK = """
import decimal, json
import spec_workers
from workerstate import Executor, WorkerSpec, WorkerStartError

if __name__ == "__main__":
    from dask.distributed import Client, LocalCluster
    decimal.getcontext().prec = 50
    with (
        LocalCluster(n_workers=2, threads_per_worker=2, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        spec = WorkerSpec(carry=["decimal"], seed=42)
        client.register_plugin(spec.dask())
        pool = spec.over(client.get_executor(pure=False))
        precisions = list(pool.map(spec_workers.precision, range(8)))
        drawn = list(pool.map(spec_workers.own, range(8)))
        decimal.getcontext().prec = 60
        later = list(pool.map(spec_workers.precision, range(8)))
        inline = Executor(1, spec=spec.replace(), start_method="inline")
        list(inline.map(spec_workers.precision, range(8)))
        expected = list(inline.map(spec_workers.own, range(8)))
        broken = WorkerSpec(initializer=spec_workers.missing)
        try:
            client.register_plugin(broken.dask())
            said = ""
        except WorkerStartError as error:
            said = str(error)
        print(json.dumps([precisions, later, drawn == expected, said]))
"""

RAY = """
import decimal, json, os
os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"
import ray
import spec_workers
from workerstate import WorkerSpec, WorkerStartError

if __name__ == "__main__":
    decimal.getcontext().prec = 50
    spec = WorkerSpec(carry=["decimal"])
    ray.init(num_cpus=1, runtime_env=spec.ray(), include_dashboard=False, log_to_driver=False)
    task = ray.remote(spec_workers.precision)
    first = ray.get(task.remote(0))
    decimal.getcontext().prec = 60
    call = ray.remote(spec_workers.call)
    later = ray.get(call.remote(spec.bind(spec_workers.precision), 0))
    ray.shutdown()
    print(json.dumps([first, later]))
"""


def run(script, tmp_path):
    path = tmp_path / "program.py"
    path.write_text(script)
    found = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    done = subprocess.run(
        [sys.executable, path],
        env={**os.environ, "PYTHONPATH": found},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_dask_tasks_find_what_is_declared(tmp_path):
    """In each thread of each dask worker: state as of submit, seeds as anywhere, a told failure."""
    pytest.importorskip("distributed")
    first, later, seeds, said = run(DASK, tmp_path)
    assert first == [50] * 8
    assert later == [60] * 8
    assert seeds
    assert "en.bin" in said


@pytest.mark.slow
def test_ray_workers_start_as_declared(tmp_path):
    """Ray's workers start with the parent's state, and a bound task brings that of its time."""
    pytest.importorskip("ray")
    assert run(RAY, tmp_path) == [50, 60]


def test_a_number_that_the_backend_gives_is_taken():
    """Torch and mpire tell a worker its number; ``worker()`` says the same."""
    with mp.get_context("spawn").Pool(1, initializer=WorkerSpec(), initargs=(5,)) as pool:
        assert pool.apply(spec_workers.number)[0] == 5
