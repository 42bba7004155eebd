"""The engine against what is in use today: the table of speed, in one interleaved run.

    python benchmarks/engine.py [--rounds N] [--quick] [--only TEXT] [--json FILE]

Each run is a process of its own (``engine_runs.py``). In each round all peers of a row take turns,
so that a busy machine is busy for all of them. What is printed are medians over the rounds of the
ratios within each, and their range: absolute times on a shared machine mean little. Two workers,
but for rows that say otherwise. Starting and importing is not counted, but where it is what a row
is about. Peers that are not installed, or hang, are left out, and that is said.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

from engine_rows import ROWS

HERE = Path(__file__).resolve().parent
PATIENCE = 100.0  # seconds that a run may take
PEERS = ("numpy", "pandas", "scikit-learn", "joblib", "loky")


class Runs:
    """Runs peers, and remembers those that can't be."""

    def __init__(self) -> None:
        self.out: dict[tuple[str, str], str] = {}  # by row and peer, why

    def run(self, row: str, peer: str) -> dict[str, float] | None:
        """Give the figures of one run; None if it gives none."""
        if (row, peer) in self.out:
            return None
        command = [sys.executable, str(HERE / "engine_runs.py"), row, peer]
        env = {key: each for key, each in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        with subprocess.Popen(
            command, stdout=-1, stderr=-1, text=True, env=env, start_new_session=True
        ) as process:
            try:
                out, err = process.communicate(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
                self.out[row, peer] = "hangs"
                return None
        if process.returncode:
            self.out[row, peer] = (err.strip().splitlines() or ["failed"])[-1][:150]
            return None
        figures: dict[str, float] = json.loads(out.splitlines()[-1])
        return figures


def measure(row: dict, rounds: int, runs: Runs) -> list[dict[str, dict[str, float]]]:
    """Give the figures of all rounds, by peer."""
    found = []
    for number in range(rounds):
        peers = [row["ours"], *row["peers"]]
        each = {}
        for peer in peers if number % 2 else peers[::-1]:
            library = peer.split()[0]
            if library in ("joblib", "loky") and importlib.util.find_spec(library) is None:
                runs.out[row["run"], peer] = "not installed"
            figures = runs.run(row["run"], peer)
            if figures is not None:
                each[peer] = figures
        found.append(each)
    return found


def lines(row: dict, found: list[dict[str, dict[str, float]]]) -> list[str]:
    """Give what is to be said of a row."""
    out = []
    for peer, targets in row["peers"].items():
        for key, at_least in targets.items():
            ratios = [
                each[peer][key] / each[row["ours"]][key]
                for each in found
                if peer in each and row["ours"] in each
            ]
            if ratios:
                out.append(shown(row["name"], peer, key, at_least, ratios))
    ours = [each[row["ours"]] for each in found if row["ours"] in each]
    for key, at_most in row.get("limits", {}).items():
        values = [each[key] for each in ours]
        if values:
            middle = statistics.median(values)
            mark = "ok" if middle <= at_most else "MISSED"
            out.append(
                f"{row['name']:26} {row['ours']:34} {middle:9.2f} {key}"
                f"   at most {at_most:g}   {mark}"
            )
    return out


def shown(name: str, peer: str, key: str, at_least: float, ratios: list[float]) -> str:
    """Give one line: how many times as long as ours a peer takes."""
    middle = statistics.median(ratios)
    mark = "ok" if middle >= at_least else "MISSED"
    unit = "" if key == "seconds" else f", {key}"
    spread = f"[{min(ratios):.2f}..{max(ratios):.2f}]"
    return f"{name:26} {peer + unit:34} {middle:9.2f} x {spread:18} target {at_least:6.2f}   {mark}"


def versions() -> str:
    """Give the versions of all that takes part."""
    texts = [f"Python {platform.python_version()}"]
    for name in PEERS:
        try:
            texts.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            texts.append(f"{name} not installed")
    return ", ".join(texts)


def main() -> None:
    """Run the rounds, row by row, and print the table."""
    parser = argparse.ArgumentParser(description="The engine against its peers.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="2 rounds")
    parser.add_argument("--only", default="", help="rows whose name has this text in it")
    parser.add_argument("--json", type=Path, help="where the figures go")
    given = parser.parse_args()
    rounds = 2 if given.quick else given.rounds
    runs, kept = Runs(), {}
    print(f"{versions()}; {os.cpu_count()} CPUs, {platform.platform()}; {rounds} rounds in turn")
    print("how many times as long as ours the peer takes: median [least..most]", flush=True)
    for row in ROWS:
        if given.only not in row["name"]:
            continue
        found = measure(row, rounds, runs)
        kept[row["name"]] = found
        for line in lines(row, found):
            print(line, flush=True)
    for (row, peer), why in runs.out.items():
        print(f"left out: {peer} in {row!r}: {why}")
    if given.json:
        given.json.write_text(json.dumps(kept, indent=1))


if __name__ == "__main__":
    main()
