"""Runs the sampled tasks of a program again, after it has ended (`run --purity`).

A process of its own, with the program's interpreter, gives them to fresh workers. A result that
differs from the program's is run in a second fresh worker; if it stays, the worker's sampled tasks
before it are run too, one after the other in one worker. Only if that changes the result again has
the result been shown to depend on what ran before.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workerstate.guard import guard_lines
from workerstate.observe import again, samples
from workerstate.observe.samples import FOLDER, START

if TYPE_CHECKING:
    from workerstate.executor import Executor
    from workerstate.observe.samples import Row

SAMPLE = 40  # calls that are run again
RESULT = "purity.json"
_PATIENCE = 600.0  # seconds for all of them
_LIMIT = 60.0  # seconds for one of them
_CODE = (
    "import sys; sys.path[:] = [{first!r}, *filter(None, sys.path), {root!r}]; "
    "from workerstate.observe import rerun; rerun.main({folder!r})"
)
# A call: the samples of its worker, and which of them it is.
_Call = tuple[str, int]


def prepare(folder: str) -> None:
    """Have the processes of a recording that is about to begin keep samples."""
    (Path(folder) / FOLDER).mkdir(mode=0o700)


def run(folder: str, command: list[str], *, python: str, flags: list[str], values: bool) -> None:
    """Run the samples of a recording again; what came of it goes into the recording.

    The samples, which hold the program's data, are deleted.
    """
    place = Path(folder) / FOLDER
    surroundings, without = _main_module(command)
    plan = {"surroundings": surroundings, "values": values, "salt": secrets.token_hex(8)}
    (place / "plan.json").write_text(json.dumps(plan))
    root = str(Path(__file__).parents[2])
    code = _CODE.format(first=surroundings["sys_path"][0], root=root, folder=folder)
    problem = None
    try:
        with (place / "stderr").open("wb") as errors:
            process = subprocess.Popen(
                [python, *flags, "-c", code],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                problem = f"they took longer than {_PATIENCE:.0f} s"
            except KeyboardInterrupt:
                problem = "interrupted"
            finally:
                process.kill()
                process.wait()
        if process.returncode and problem is None:
            lines = (place / "stderr").read_text(errors="replace").strip().splitlines()
            problem = lines[-1] if lines else f"exit code {process.returncode}"
    finally:
        shutil.rmtree(place, ignore_errors=True)
    _amend(Path(folder) / RESULT, problem, without)


def _amend(path: Path, problem: str | None, without: str | None) -> None:
    """Add to the result what only the process that asked for it knows."""
    found = read(path.parent) or {}
    found.update(problem=problem, without_main=without)
    path.write_text(json.dumps(found))


def read(folder: str | Path) -> dict[str, Any] | None:
    """Give what came of running the samples again; None if that was not asked for."""
    try:
        found: dict[str, Any] = json.loads((Path(folder) / RESULT).read_text())
    except (OSError, ValueError):
        return None
    return found


def _main_module(command: list[str]) -> tuple[dict[str, Any], str | None]:
    """Say how a fresh worker finds the main module, and why it can't have it."""
    here = os.getcwd()
    found: dict[str, Any] = {"dir": here, "sys_argv": command, "sys_path": [here]}
    if command[0] == "-c":
        return found, "a program given by -c is not loaded again"
    if command[0] == "-m":
        return {**found, "init_main_from_name": command[1], "sys_argv": command[1:]}, None
    path = Path(command[0]).absolute()
    found["sys_path"] = [str(path.resolve().parent)]
    if not guard_lines(str(path)):
        return found, f"{command[0]} has no 'if __name__ == \"__main__\":', and would run again"
    return {**found, "init_main_from_path": str(path)}, None


def main(folder: str) -> None:
    """Be the process that runs them again."""
    place = Path(folder) / FOLDER
    plan = json.loads((place / "plan.json").read_text())
    plan["surroundings"]["sys_path"] = sys.path
    begin = again.Begin(plan["surroundings"], plan["salt"], plan["values"])
    paths = sorted(map(str, place.glob("*.pickle")))
    rows = {path: samples.read(path) for path in paths}
    found = Rerun(rows, begin).examine() if rows else {"sampled": 0}
    (Path(folder) / RESULT).write_text(json.dumps(found))


class Rerun:
    """One go at all of them.

    Args:
        rows: the samples of each worker.
        begin: makes a fresh worker one of the program's.
    """

    def __init__(self, rows: dict[str, list[Row]], begin: again.Begin) -> None:
        self._rows = rows
        self._begin = begin
        self._reasons: Counter[str] = Counter()
        self._unsteady = 0
        self._without: Counter[str] = Counter()
        self._differing: list[dict[str, Any]] = []

    def examine(self) -> dict[str, Any]:
        """Run them, and give what is known then."""
        calls = self._choose()
        sampled = len(calls) + self._reasons.total()
        with self._executor() as pool:
            first = self._fresh(pool, calls, "first")
            doubtful = [call for call in calls if first[call].get("as_program") is False]
            second = self._fresh(pool, doubtful, "second")
            steady = []
            for call in calls:
                self._note(first[call])
            for call in doubtful:
                if second[call].get("steady"):
                    steady.append(call)
                else:
                    self._unsteady += 1
            self._replay(pool, steady, first)
        return {
            "sampled": sampled,
            "differing": self._differing,
            "unsteady": self._unsteady,
            "otherwise": self._without["otherwise"],
            "undecided": self._without["undecided"],
            "not_compared": dict(self._reasons),
        }

    def _choose(self) -> list[_Call]:
        """Choose among the calls before which their worker had run another."""
        calls = []
        for path, rows in self._rows.items():
            for index, row in enumerate(rows):
                if row[0] != START and row[5]:
                    self._reasons[row[5]] += 1
                elif row[0] > 0:
                    calls.append((path, index))
        chance = random.Random(0)  # the same ones each time
        return sorted(chance.sample(calls, min(SAMPLE, len(calls))))

    def _executor(self) -> Executor:
        """Give one of fresh workers: forked from a template, unless the main module forbids it."""
        from workerstate.errors import TemplateError
        from workerstate.executor import HAS_ENGINE, Executor
        from workerstate.spec import WorkerSpec

        spec = WorkerSpec(initializer=self._begin)
        limit = _LIMIT if HAS_ENGINE else None
        if HAS_ENGINE:
            pool = Executor(spec=spec, clean="task", timeout=limit)
            try:
                pool.submit(os.getpid).result()
                return pool
            except TemplateError:  # it has threads, for example
                pool.shutdown()
        return Executor(spec=spec, start_method="spawn", clean="task", timeout=limit)

    def _fresh(self, pool: Executor, calls: list[_Call], name: str) -> dict[_Call, dict[str, Any]]:
        futures = {}
        for path, index in calls:
            keep = f"{path}.{index}"
            other = f"{keep}.first" if name == "second" else None
            job = pool.submit(again.fresh, path, index, f"{keep}.{name}", other)
            futures[path, index] = job
        return {call: _result(future) for call, future in futures.items()}

    def _note(self, found: dict[str, Any]) -> None:
        if "reason" in found:
            self._reasons[found["reason"]] += 1
        elif found["as_program"] is None:
            self._reasons["their results can't be compared"] += 1

    def _replay(self, pool: Executor, steady: list[_Call], first: dict[_Call, Any]) -> None:
        """Run what ran before those calls, and sort them by what that does to their results."""
        futures = {}
        for path in dict.fromkeys(path for path, _ in steady):
            wanted = {index: f"{path}.{index}.first" for other, index in steady if other == path}
            futures[path] = pool.submit(again.used, path, wanted)
        replayed = {path: _result(future) for path, future in futures.items()}
        for path, index in steady:
            found, whole = replayed[path].get(index, {}), self._is_whole(path, index)
            # With all that ran before it, the call must give what it gave in the program.
            if found.get("as_fresh") is False and (found["as_program"] or not whole):
                self._differing.append(self._row(path, index, first[path, index], found))
            elif found.get("as_fresh") and whole:
                self._without["otherwise"] += 1
            else:
                self._without["undecided"] += 1

    def _is_whole(self, path: str, index: int) -> bool:
        """Tell whether every call before this one is there to be run again."""
        row = self._rows[path][index]
        before = [each for each in self._rows[path][:index] if each[0] != START and each[3]]
        return len(before) == row[0]

    def _row(self, path: str, index: int, first: Any, found: Any) -> dict[str, Any]:
        _, task, function, *_ = self._rows[path][index]
        return {
            "journal": f"{Path(path).stem}.jsonl",
            "task": task,
            "function": function,
            "fresh": first["fresh"],
            "used": first["used"],
            "suspects": found["suspects"],
        }


def _result(future: Any) -> dict[Any, Any]:
    """Give what a worker found; why not, if it did not get that far."""
    try:
        found: dict[Any, Any] = future.result()
    except Exception as error:
        return {"reason": again.refused(error)}
    return found
