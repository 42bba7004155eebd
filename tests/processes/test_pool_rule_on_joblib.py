"""What joblib really does with its pool, call after call, against what the rule expects."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from workerstate.observe import executor_facts
from workerstate.observe.pool_rule import ExecutorFacts, explain, predict

joblib = pytest.importorskip("joblib")

PROGRAM = Path(__file__).with_name("programs") / "pool_walk.py"
VERSION = tuple(int(part) for part in joblib.__version__.split(".")[:2])

NUMBERS = {
    1: [2, 3, 2, 5, 6],
    2: [2, 3, 2, 4, 5, 6, 3],
    4: [2, 3, 4, 2, 5, 4, 2],
    8: [2, 3, 4, 5, 2, 6],
}

# What a call brings besides n_jobs, and the words of the reason (None: the pool is kept).
CHANGES: list[tuple[dict[str, Any], str | None]] = [
    ({"environ": {"OMP_NUM_THREADS": "3"}}, "OMP_NUM_THREADS 1 -> 3"),
    ({"environ": {"UNRELATED": "3"}}, None),
    ({"options": {"max_nbytes": None}}, "max_nbytes changed: 1048576 -> None"),
    ({"options": {"max_nbytes": None, "verbose": 1, "pre_dispatch": "all"}}, None),
    ({"options": {"max_nbytes": None, "mmap_mode": "c"}}, "mmap_mode changed: r -> c"),
    ({"config": {"inner_max_num_threads": 1}}, "OMP_NUM_THREADS 3 -> 1"),
    ({"config": {"inner_max_num_threads": 1}, "action": "raise"}, None),
    ({"config": {"inner_max_num_threads": 1}}, "shut down after a task raised"),
    ({"config": {"inner_max_num_threads": 1}, "action": "die"}, None),
    ({"config": {"inner_max_num_threads": 1}}, "the pool was broken: TerminatedWorkerError"),
    ({"action": "shutdown"}, None),
    ({"config": {"inner_max_num_threads": 1}}, "shut down by the program"),
]
NEW_CHANGES: list[tuple[dict[str, Any], str | None]] = [
    ({"options": {"initializer": "first_setup"}}, "initializer changed: None -> "),
    ({"options": {"initializer": "first_setup"}}, None),
    ({"options": {"initializer": "second_setup"}}, "first_setup -> __main__.second_setup"),
    ({"options": {"initializer": "second_setup", "initargs": ["a"]}}, "initargs changed"),
    ({"options": {"initializer": "second_setup", "initargs": ["a"]}}, None),
    ({"options": {"idle_worker_timeout": 1}}, "timeout changed: 300 -> 1"),
    ({"action": "wait until idle workers end"}, None),
    ({"options": {"idle_worker_timeout": 1}}, "2 of its workers had ended"),
]


def walk(cpus: int, steps: list[dict[str, Any]], library: str = "joblib") -> list[Any]:
    """Run the steps in one program and give what was read at each call."""
    environ = {**os.environ, "EXECUTOR_FACTS": executor_facts.__file__}
    done = subprocess.run(
        [sys.executable, str(PROGRAM), library, str(cpus), json.dumps(steps)],
        env=environ,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
        timeout=100,
    )
    return [json.loads(line) for line in done.stdout.splitlines()][:-1]


def check(line: dict[str, Any], *, asked: bool = False) -> str:
    """Compare prediction, identity and pids of one call; give the reason."""
    before = ExecutorFacts.from_record(line["before"])
    now = ExecutorFacts.from_record(line["now"])
    event, reason = explain(before, now)
    # joblib tells loky whether the arguments are the same; the rule must know by itself.
    brought = now if asked else now.replace(reuse="auto")
    assert predict(before, brought) == event, (line, reason)
    assert "not known" not in reason
    assert "unexpectedly" not in reason
    if not before.ended and "error" not in line:
        old, new = set(line["pids_before"]), set(line["pids_after"])
        expected = {
            "replaced": not old & new,
            "reused": old == new,
            "grown": old < new,
            "shrunk": old > new,
        }
        assert expected[event], (event, old, new)
    return reason


@pytest.mark.parametrize("cpus", NUMBERS)
def test_predicts_what_a_change_of_n_jobs_does(cpus: int) -> None:
    """With 1, 2, 4 and 8 processors the rule expects what joblib does at each change of n_jobs."""
    lines = walk(cpus, [{"n_jobs": number} for number in NUMBERS[cpus]])
    assert len(lines) == len(NUMBERS[cpus])
    for line in lines[1:]:
        check(line)


def test_answers_differ_between_few_and_many_processors() -> None:
    """Going from two to three workers keeps them on two processors and replaces them on eight."""
    steps = [{"n_jobs": 2}, {"n_jobs": 3}]
    few, many = (check(walk(cpus, steps)[1]) for cpus in (2, 8))
    assert few == (
        "n_jobs 2 -> 3: grown, the first 2 workers stay "
        "(max(cpu_count 2 // n_jobs 3, 1) = 1 thread, as before)"
    )
    assert many == "cpu_count 8 // n_jobs 3 = 2 threads, was 4: new pool"


@pytest.mark.parametrize(
    "changes",
    [
        CHANGES,
        pytest.param(
            NEW_CHANGES,
            marks=pytest.mark.skipif(VERSION < (1, 5), reason="joblib 1.5 takes these arguments"),
        ),
    ],
    ids=["every joblib", "joblib 1.5"],
)
def test_explains_every_other_cause(changes: list[tuple[dict[str, Any], str | None]]) -> None:
    """Each argument, failure and shutdown that costs the pool is named in the reason."""
    steps = [{"n_jobs": 2}, *({"n_jobs": 2, **step} for step, _ in changes)]
    lines = walk(2, steps)[1:]
    calls = [words for step, words in changes if step.get("action") in (None, "raise", "die")]
    assert len(lines) == len(calls)
    for line, words in zip(lines, calls, strict=True):
        reason = check(line)
        assert (words or "same n_jobs: same workers") in reason


LOKY: list[tuple[dict[str, Any], str]] = [
    ({"n_jobs": 3}, "n_jobs 2 -> 3: grown, the first 2 workers stay"),
    ({"n_jobs": 3, "environ": {"OMP_NUM_THREADS": "3"}}, "same n_jobs: same workers"),
    ({"n_jobs": 2}, "n_jobs 3 -> 2: shrunk, 2 of 3 workers stay"),
    ({"n_jobs": 2, "options": {"timeout": 9}}, "timeout changed: 10 -> 9: new pool"),
    ({"n_jobs": 2, "options": {"env": {"WHAT": "x"}}}, "WHAT unset -> x; timeout changed: 9 -> 10"),
    ({"n_jobs": 2, "options": {"env": {"WHAT": "y"}}}, "WHAT x -> y: new pool"),
    ({"n_jobs": 2, "options": {"reuse": True}}, "same n_jobs: same workers"),
    ({"n_jobs": 2, "options": {"reuse": False}}, "the call asked for a new pool: new pool"),
    ({"n_jobs": 2, "options": {"initializer": "first_setup"}}, "None -> __main__.first_setup"),
    ({"n_jobs": 2, "action": "shutdown"}, ""),
    ({"n_jobs": 2, "options": {"initializer": "first_setup"}}, "was shut down by the program"),
    ({"n_jobs": 2, "options": {"initializer": "first_setup"}, "action": "die"}, "same n_jobs"),
    ({"n_jobs": 2, "options": {"initializer": "first_setup"}}, "broken: TerminatedWorkerError"),
]


def test_explains_pools_of_loky_itself() -> None:
    """Without joblib the number of processors decides nothing, and loky compares by itself."""
    pytest.importorskip("loky")
    steps = [{"n_jobs": 2}, *(step for step, _ in LOKY)]
    lines = walk(8, steps, "loky")[1:]
    reasons = [words for _, words in LOKY if words]
    assert len(lines) == len(reasons)
    for line, words in zip(lines, reasons, strict=True):
        assert words in check(line, asked=True)
