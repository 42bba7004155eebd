"""What a declaration costs: a bound task beside a bare one, and what a worker imports for it.

    python benchmarks/declare.py [--rounds N]

bound task   CPU time of one task of a Pool of one worker (20,000 tasks, one at a time): a function
             bound to an unchanged spec, beside the bare function; in turn, medians of differences
import       what a spawned worker spends on importing its side of workerstate
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
import json, multiprocessing, resource, sys
from workerstate import WorkerSpec
def cpu():
    out = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        out += usage.ru_utime + usage.ru_stime
    return out
def work(item):
    return item
if __name__ == "__main__":
    number = 20000
    if sys.argv[1] == "bare":
        kwargs, function = {}, work
    else:
        spec = WorkerSpec(carry=["warnings", "environ"])
        kwargs, function = {"initializer": spec}, spec.bind(work)
    with multiprocessing.get_context("fork").Pool(1, **kwargs) as pool:
        pool.map(function, range(200), chunksize=1)
        start = cpu()
        pool.map(function, range(number), chunksize=1)
        pool.close()
        pool.join()
        print(json.dumps((cpu() - start) / number * 1e6))
"""

IMPORT = """
import json, multiprocessing, sys, time
before = set(sys.modules)
start = time.process_time()
import workerstate.workerside, workerstate.starting, workerstate.applying
took = (time.process_time() - start) * 1e3
other = sorted(n for n in set(sys.modules) - before if not n.startswith("workerstate"))
print(json.dumps([took, other]))
"""


def run(code: str, *arguments: str) -> object:
    """Run a program that prints one JSON value."""
    env = {**os.environ, "PYTHONPATH": str(SOURCE)}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
        file.write(code)
        file.flush()
        out = subprocess.run(
            [sys.executable, file.name, *arguments], env=env, check=True, capture_output=True
        )
    return json.loads(out.stdout)


def main() -> None:
    """Run the rounds and print one line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    bare, bound = [], []
    for _ in range(rounds):
        bare.append(float(run(TASK, "bare")))  # type: ignore[arg-type]
        bound.append(float(run(TASK, "bound")))  # type: ignore[arg-type]
    more = statistics.median(b - a for a, b in zip(bare, bound, strict=True))
    imports = [run(IMPORT) for _ in range(rounds)]
    took = statistics.median(row[0] for row in imports)  # type: ignore[index]
    print(f"Python {platform.python_version()}, {os.cpu_count()} CPUs, {rounds} rounds in turn")
    print(f"bound task, us   bare {statistics.median(bare):8.2f}  bound +{more:6.2f}")
    print(f"import, ms       {took:8.2f}  besides: {imports[0][1]}")  # type: ignore[index]


if __name__ == "__main__":
    main()
