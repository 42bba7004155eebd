"""Log records of workers: workerstate's pipe against what is in use today.

    python benchmarks/records.py [--quick] [--rounds N] [--start fork spawn] [--modes full calm]

Each run is a process of its own; the peers take turns within a round, so that a busy machine is
busy for all of them. What is printed are medians of the ratios within a round: rates on a shared
machine mean little. full: as fast as it goes; calm: one record per millisecond and worker; kill: as
full, but each worker kills itself with SIGKILL right after its last emit.
"""

from __future__ import annotations

import argparse
import collections
import importlib.metadata
import importlib.util
import json
import platform
import statistics
import subprocess
import sys

from records_peers import PEERS, main_of_one_run

LIBRARIES = {"loguru": "loguru", "concurrent": "concurrent_log_handler"}


def run_once(peer: str, start: str, mode: str, workers: int, records: int) -> dict | None:
    command = [sys.executable, __file__, "--one", peer, start, mode, str(workers), str(records)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    except subprocess.TimeoutExpired:
        return None
    if done.returncode:
        print(f"{peer} {start} {mode} failed:\n{done.stderr[-2000:]}", file=sys.stderr)
        return None
    return json.loads(done.stdout.splitlines()[-1])


def peers_for(start: str, mode: str) -> list[str]:
    names = [n for n in PEERS if n not in LIBRARIES or importlib.util.find_spec(LIBRARIES[n])]
    if mode == "kill":
        names.remove("single")
    elif start != "fork":
        names = [n for n in names if n != "concurrent"]
    return names


def measure(start: str, mode: str, args: argparse.Namespace) -> dict[str, list[dict | None]]:
    found: dict[str, list[dict | None]] = collections.defaultdict(list)
    records = {"full": args.records, "kill": args.records, "calm": args.calm_records}[mode]
    for number in range(args.rounds):
        names = peers_for(start, mode)
        for name in names if number % 2 else names[::-1]:
            found[name].append(run_once(name, start, mode, args.workers, records))
    return found


def ratio(found: dict, name: str, other: str, key: str) -> str:
    pairs = zip(found.get(name, []), found.get(other, []), strict=False)
    ratios = [a[key] / b[key] for a, b in pairs if a and b and a.get(key) and b.get(key)]
    return f"{statistics.median(ratios):.2f}" if ratios else "-"


def median(found: dict, name: str, key: str) -> str:
    values = [one[key] for one in found[name] if one and one.get(key) is not None]
    return f"{statistics.median(values):.1f}" if values else "-"


def report(start: str, mode: str, found: dict[str, list[dict | None]]) -> None:
    print(f"\n{start}, {mode}, {len(found['workerstate'])} rounds, interleaved; medians")
    if mode == "kill":
        print(f"{'peer':12} {'lost %':>8} {'duplicated':>11} {'out of order':>13} {'hung':>6}")
        for name, runs in found.items():
            there = [one for one in runs if one]
            lost = 100 * sum(o["lost"] for o in there) / max(1, sum(o["sent"] for o in there))
            doubled, mixed = (sum(o[k] for o in there) for k in ("duplicated", "disordered"))
            hung = sum(one is None or one["hung"] for one in runs)
            print(f"{name:12} {lost:8.2f} {doubled:11} {mixed:13} {hung:4}/{len(runs)}")
        return
    heads = ("rate/queue", "rate/single", "cpu/queue", "p50/queue", "p50/single")
    print(f"{'peer':12}" + "".join(f" {h:>11}" for h in heads), end="")
    print(f" {'rec/s':>9} {'cpu us':>7} {'parent':>7} {'p50 us':>7} {'p99 us':>8} {'lost':>5}")
    for name in found:
        cells = [ratio(found, name, "queue", "rate"), ratio(found, name, "single", "rate")]
        cells += [ratio(found, name, "queue", "cpu"), ratio(found, name, "queue", "p50")]
        cells.append(ratio(found, name, "single", "p50"))
        row = "".join(f" {cell:>11}" for cell in cells)
        rate, cpu, parent, p50, p99 = (
            median(found, name, key) for key in ("rate", "cpu", "cpu_parent", "p50", "p99")
        )
        lost = sum(one["lost"] for one in found[name] if one)
        print(
            f"{name:12}{row} {rate.split('.')[0]:>9} {cpu:>7} {parent:>7} {p50:>7} {p99:>8}",
            f"{lost:5}",
        )


def versions() -> str:
    texts = [f"Python {platform.python_version()}", platform.platform()]
    for name in ("loguru", "concurrent-log-handler"):
        try:
            texts.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            texts.append(f"{name} not installed")
    return ", ".join(texts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="1 round of 2000 records")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--records", type=int, default=20_000, help="per worker")
    parser.add_argument("--calm-records", type=int, default=1000, help="per worker")
    parser.add_argument("--start", nargs="+", default=["fork", "spawn"])
    parser.add_argument("--modes", nargs="+", default=["full", "calm", "kill"])
    args = parser.parse_args()
    if args.quick:
        args.rounds, args.records, args.calm_records = 1, 2000, 200
    print(versions())
    for start in args.start:
        for mode in args.modes:
            report(start, mode, measure(start, mode, args))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        main_of_one_run(*sys.argv[2:])
    else:
        main()
