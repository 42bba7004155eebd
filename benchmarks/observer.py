"""What observing costs: the same programs, observed and not, in turn; medians of the differences.

    python benchmarks/observer.py [--rounds N]

start-up   CPU time of `python -c pass`: the hook, without any worker
fork       one os.fork + os._exit + waitpid
spawn      one spawned Process, from start to join: the hook, and reading its state at birth
task       one task of a Pool of one worker (20,000 empty tasks, one at a time), pool included
probe      the cheap look at the state after a task, which the line above includes
1 ms task  what a task of one millisecond loses

All figures are CPU time of the program and its children.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

SHIM = Path(__file__).resolve().parents[1] / "src" / "workerstate" / "observe" / "shim"

# CPU time of the process and its children: on a machine with other work, wall time says little.
CPU = """
import json, os, resource, sys, time
def cpu():
    out = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        out += usage.ru_utime + usage.ru_stime
    return out
"""

FORK = (
    CPU
    + """
def once():
    pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)
for _ in range(20): once()
start = cpu()
for _ in range(300): once()
print(json.dumps((cpu() - start) / 300 * 1e6))
"""
)

TASK = (
    CPU
    + """
import multiprocessing
def work(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass
if __name__ == "__main__":
    seconds, number = float(sys.argv[1]), int(sys.argv[2])
    start = cpu()
    with multiprocessing.get_context("fork").Pool(1) as pool:
        pool.map(work, [seconds] * number, chunksize=1)
        pool.close()
        pool.join()
    print(json.dumps((cpu() - start) / number * 1e6))
"""
)

SPAWN = (
    CPU
    + """
import multiprocessing
def work(item):
    return item
if __name__ == "__main__":
    start = cpu()
    context = multiprocessing.get_context("spawn")
    for _ in range(4):
        process = context.Process(target=work, args=(1,))
        process.start()
        process.join()
    print(json.dumps((cpu() - start) / 4 * 1e3))
"""
)

PROBE = """
import json, logging, sys, time, warnings
from workerstate.observe import probe
n, best = 2000, []
for _ in range(5):
    start = time.perf_counter()
    for _ in range(n): probe.look()
    best.append((time.perf_counter() - start) / n * 1e6)
print(json.dumps(sorted(best)[2]))
"""


def environment(observed: bool, folder: str) -> dict[str, str]:
    """Give the environment that a program has under `workerstate run`, or without it."""
    env = {k: v for k, v in os.environ.items() if k not in ("WORKERSTATE_RUN", "PYTHONPATH")}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    if observed:
        env["PYTHONPATH"] = str(SHIM)
        env["WORKERSTATE_RUN"] = f"1|00|0|0|{folder}"
    return env


def program(code: str, env: dict[str, str], *arguments: str) -> float:
    """Run a program that prints one number."""
    with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
        file.write(code)
        file.flush()
        out = subprocess.run(
            [sys.executable, file.name, *arguments], env=env, check=True, capture_output=True
        )
    return float(json.loads(out.stdout))


def cpu_of_start(env: dict[str, str], times: int = 5) -> float:
    """Give the CPU milliseconds of one start of the interpreter."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(times):
        subprocess.run([sys.executable, "-c", "pass"], env=env, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return spent / times * 1e3


def main() -> None:
    """Run the rounds and print one line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    rows: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        plain, seen = environment(False, folder), environment(True, folder)
        cpu_of_start(seen, 2)
        for _ in range(rounds):
            for name, measure in (
                ("start-up, ms of CPU", cpu_of_start),
                ("fork, us", lambda env: program(FORK, env)),
                ("spawned worker, ms", lambda env: program(SPAWN, env)),
                ("task, us", lambda env: program(TASK, env, "0", "20000")),
                ("1 ms task, us", lambda env: program(TASK, env, "0.001", "1500")),
            ):
                rows.setdefault(name, []).append((measure(plain), measure(seen)))
        source = {**plain, "PYTHONPATH": str(SHIM.parents[2])}
        probe = program(PROBE, source)
    print(f"Python {platform.python_version()}, {os.cpu_count()} CPUs, {rounds} rounds in turn")
    for name, pairs in rows.items():
        base = statistics.median(a for a, _ in pairs)
        more = statistics.median(b - a for a, b in pairs)
        ratio = statistics.median(b / a for a, b in pairs)
        print(f"{name:22s} unobserved {base:9.2f}  observed +{more:7.2f}  ratio {ratio:5.3f}")
    print(f"{'probe of a task, us':22s} {probe:9.2f}")


if __name__ == "__main__":
    main()
