"""The reasons that a run gives for what became of a program's pools."""

from __future__ import annotations

from pathlib import Path

import pytest

from workerstate.observe.document import document
from workerstate.observe.launch import observe

PROGRAMS = Path(__file__).with_name("programs")


def reasons(program: str, folder: Path) -> list[tuple[str, str]]:
    """Run a program on two processors and give what became of its pools, call by call."""
    place = str(folder / "recording")
    finished = observe([str(PROGRAMS / program)], folder=place, cpus=2, timeout=100)
    assert finished.exit_code == 0
    return [(pool["event"], pool["reason"]) for pool in document(place)["pools"]]


def test_of_joblib(tmp_path: Path) -> None:
    """A failed call, a dead worker, an argument and the usual way to reset are all told apart."""
    pytest.importorskip("joblib")
    first, grown, raised, died, reset = reasons("pools_joblib.py", tmp_path)
    assert first == ("created", "the first pool, with 2 workers")
    assert grown[0] == "grown"
    assert raised[1].startswith("the pool was shut down after a task raised")
    assert died[1] == "the pool was broken: TerminatedWorkerError: new pool"
    assert reset == ("replaced", "the pool was shut down by the program: new pool")


def test_of_loky_in_two_threads(tmp_path: Path) -> None:
    """From loky 3.7 on each thread has a pool of its own; before that they share one."""
    loky = pytest.importorskip("loky")
    first, other, again = reasons("pools_threads.py", tmp_path)
    assert first[0] == "created"
    if tuple(int(part) for part in loky.__version__.split(".")[:2]) >= (3, 7):
        assert other == ("created", "the first pool of this thread, with 2 workers")
        assert again == ("reused", "same n_jobs: same workers")
    else:
        assert other == ("replaced", "timeout changed: 9 -> 10: new pool")
        assert again == ("replaced", "timeout changed: 10 -> 9: new pool")
