"""States are put together again from what changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import recordings as made

from workerstate.observe.reading import Process, read
from workerstate.observe.states import States, apply
from workerstate.observe.view import view

if TYPE_CHECKING:
    from pathlib import Path


def test_changes_are_applied_key_by_key() -> None:
    """A text replaces, None removes a key or a whole facet, and the old state stays as it was."""
    before = {"a": {"x": "1", "y": "2"}, "b": {"z": "3"}}
    after = apply(before, {"a": {"x": "9", "y": None, "n": "4"}, "b": None, "c": {"k": "5"}})
    assert after == {"a": {"x": "9", "n": "4"}, "c": {"k": "5"}}
    assert before == {"a": {"x": "1", "y": "2"}, "b": {"z": "3"}}


@pytest.fixture
def states(tmp_path: Path) -> tuple[States, dict[int, Process]]:
    """The states of the program made by hand."""
    recording = read(made.write(tmp_path, made.program()))
    return States(recording), {process.pid: process for process in recording.processes}


def test_chains_lead_from_worker_to_parent(states: tuple[States, dict[int, Process]]) -> None:
    """A forked worker's state is its parent's of that moment with its own changes."""
    found, processes = states
    assert found.born(processes[made.WORKER]) == made.PARENT_STATE
    assert found.texts(processes[made.MAIN], 2) == {
        "logging": made.PARENT_STATE["logging"],
        "cwd": {"directory": "str of 4 #1", "umask": "0077"},
    }


def test_parent_is_read_at_the_launch(states: tuple[States, dict[int, Process]]) -> None:
    """A worker is compared with its parent at the moment it was started, not before or after."""
    found, processes = states
    main = processes[made.MAIN]
    forked = found.at_launch(processes[made.WORKER], main.launches[0], main)
    spawned = found.at_launch(processes[made.SECOND], main.launches[1], main)
    assert (forked or {})["cwd"]["umask"] == "0022"
    assert (spawned or {})["cwd"]["umask"] == "0077"
    assert found.at_launch(processes[made.WORKER], None, None) is None


def test_a_broken_chain_gives_no_state(tmp_path: Path) -> None:
    """If a snapshot that others are based on is lost, nothing is said rather than half of it."""
    journals = made.program()
    del journals[made.MAIN][2]
    seen = view(made.write(tmp_path, journals))
    by_pid = {process.pid: process for process in seen.recording.processes}
    assert seen.states.born(by_pid[made.WORKER]) is None
    assert seen.states.texts(by_pid[made.MAIN], 2) is None
    assert seen.states.texts(by_pid[made.MAIN], 77) is None


def test_long_chains_are_no_trouble(tmp_path: Path) -> None:
    """Thousands of snapshots, each based on the one before, are put together."""
    events = [made.start(made.MAIN, 0, ppid=1, how="exec")]
    events.append(made.snapshot("snapshot", 1, None, {"a": {"n": "1"}}, 1))
    for number in range(2, 3001):
        change = {"a": {"n": str(number), f"k{number}": "x"}}
        events.append(made.snapshot("snapshot", number, [made.MAIN, number - 1], change, number))
    recording = read(made.write(tmp_path, {made.MAIN: events}))
    texts = States(recording).texts(recording.processes[0], 3000)
    assert texts is not None
    assert texts["a"]["n"] == "3000"
    assert len(texts["a"]) == 3000
