"""What drift checks cost: tasks of a worker that is watched beside those of one that is not.

    python benchmarks/drift.py [--rounds N] [--heavy]

no-op        CPU time, in parent and worker, of one task of an Executor(1) under fork (10,000
             submits, of which 100 wait at a time): drift="warn" on the default facets beside
             drift="ignore"; in turn, medians of differences
in process   the same without the pool: the wall time around the task itself, least of all rounds
--heavy      the worker has imported numpy, pandas and scikit-learn
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src"

TASK = """
import json, sys, time
from workerstate import Executor, WorkerSpec, workerside
if "heavy" in sys.argv:
    import numpy, pandas, sklearn.ensemble
def spent(item):
    return time.process_time()
def work(item):
    return item
def inside(item):
    # The stamp's way through the worker, without the pool around it.
    (here,) = workerside._heres.values()
    from workerstate.workerside import Stamp, run
    stamp = Stamp(b"", here.birth.fleet, here.fingerprint, None, None, 0, 0)
    best = 1e9
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(2000):
            run(stamp, work, (1,), {})
        best = min(best, (time.perf_counter() - start) / 2000 * 1e6)
    return best
if __name__ == "__main__":
    number = 10000
    with Executor(1, spec=WorkerSpec(drift=sys.argv[1]), start_method="fork") as pool:
        list(pool.map(work, range(200)))
        best = pool.submit(inside, 0).result()
        start = pool.submit(spent, 0).result() + time.process_time()
        for _ in range(number // 100):
            for future in [pool.submit(work, item) for item in range(100)]:
                future.result()
        took = pool.submit(spent, 0).result() + time.process_time() - start
    print(json.dumps([took / number * 1e6, best]))
"""


def run(*arguments: str) -> list[float]:
    """Run the program that prints the two figures."""
    env = {**os.environ, "PYTHONPATH": str(SOURCE)}
    with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
        file.write(TASK)
        file.flush()
        out = subprocess.run(
            [sys.executable, file.name, *arguments], env=env, check=True, capture_output=True
        )
    figures: list[float] = json.loads(out.stdout)
    return figures


def main() -> None:
    """Run the rounds and print one line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--heavy", action="store_true")
    given = parser.parse_args()
    more = ["heavy"] if given.heavy else []
    bare, watched = [], []
    for _ in range(given.rounds):
        bare.append(run("ignore", *more))
        watched.append(run("warn", *more))
    print(f"Python {platform.python_version()}, {os.cpu_count()} CPUs, {given.rounds} rounds")
    pairs = list(zip(bare, watched, strict=True))
    cost = statistics.median(b[0] - a[0] for a, b in pairs)
    ratio = statistics.median(b[0] / a[0] for a, b in pairs)
    print(
        f"no-op, us of CPU     ignore {statistics.median(a[0] for a in bare):7.1f}  "
        f"warn +{cost:5.1f}  ratio {ratio:.2f}"
    )
    least = min(a[1] for a in bare), min(b[1] for b in watched)
    print(f"in process, us       ignore {least[0]:7.1f}  warn +{least[1] - least[0]:5.1f}")


if __name__ == "__main__":
    main()
