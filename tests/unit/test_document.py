"""The document that is made of a recording: what each part says, and where it has it from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import recordings as made

from workerstate.observe.document import document
from workerstate.observe.memory import MemoryWatch

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def found(tmp_path: Path) -> dict[str, Any]:
    """The document of the program made by hand."""
    return document(made.write(tmp_path, made.program()))


def test_has_the_parts_that_are_promised(found: dict[str, Any]) -> None:
    """Schema, program, environment, workers, pools, findings, what was not observed: all JSON."""
    parts = {"schema", "program", "environment", "workers", "pools", "findings", "not_observed"}
    assert parts <= set(found)
    assert json.loads(json.dumps(found)) == found


def test_tells_of_the_program(found: dict[str, Any]) -> None:
    """The command, exit code and duration are the launcher's, the version the program's own."""
    program = found["program"]
    assert program["command"] == ["app.py", "x"]
    assert (program["pid"], program["exit_code"], program["signal"]) == (made.MAIN, 3, None)
    assert (program["ms"], program["imports"], program["observed"]) == (80, 2, True)
    assert found["environment"]["python"] == "3.11.7"
    assert found["environment"]["cpus"] == 2


def test_tells_of_each_worker(found: dict[str, Any]) -> None:
    """Number, pid, parent, backend, start method and times of each worker, in order of birth."""
    first, second = found["workers"]
    assert [first["number"], second["number"]] == [1, 2]
    assert (first["pid"], first["parent_pid"], first["name"]) == (made.WORKER, made.MAIN, "Fork-1")
    assert (first["backend"], first["start_method"]) == ("multiprocessing", "fork")
    assert (second["backend"], second["start_method"]) == ("multiprocessing", "spawn")
    assert (second["born_ms"], second["birth"]["ms"]) == (20, 8)
    assert second["birth"]["imports"] == [{"module": "app", "ms": 0.8, "depth": 0}]
    assert second["imports_later"] == [{"module": "late", "ms": 0.1, "depth": 0}]


def test_compares_workers_with_their_parent(found: dict[str, Any]) -> None:
    """A fork without changes differs in nothing; a fresh worker in what it lacks or has anew."""
    first, second = found["workers"]
    assert first["birth"]["differences"] == []
    assert [tuple(row.values()) for row in second["birth"]["differences"]] == [
        ("logging", "root.handlers", "StreamHandler", None),
        ("logging", "root.level", "INFO", "WARNING"),
        ("cwd", "directory", "str of 4 #1", None),
        ("cwd", "umask", "0077", None),
    ]


def test_tells_of_each_task(found: dict[str, Any]) -> None:
    """A task has its function, call, times, outcome, items, size and changes."""
    plain, large = found["workers"][0]["tasks"]
    assert plain == {
        "function": "app:work",
        "call": 1,
        "start_ms": 15,
        "ms": 1.5,
        "ok": True,
        "items": 1,
        "changes": [],
    }
    assert (large["call"], large["ok"], large["items"], large["bytes"]) == (2, False, 3, 70_000)
    assert large["changes"] == [
        {
            "facet": "logging",
            "key": "root.handlers",
            "before": "StreamHandler",
            "after": "StreamHandler, X",
        }
    ]
    assert large["changes_since_task"] == 1


def test_tells_of_each_death(found: dict[str, Any]) -> None:
    """The parent's word on the exit status comes first; a task without an end is the last one."""
    first, second = (worker["death"] for worker in found["workers"])
    assert (first["exit_code"], first["signal"], first["task"]) == (0, None, None)
    assert (second["exit_code"], second["signal"]) == (-9, "SIGKILL")
    assert (second["task"], second["task_started_ms"], second["ms"]) == ("app:die", 35, 61)
    assert [finding["code"] for finding in found["findings"]] == ["WS201"]


def test_keeps_helpers_apart(found: dict[str, Any]) -> None:
    """The resource tracker and the fork server are helpers, not workers."""
    assert [(row["kind"], row["pid"]) for row in found["helpers"]] == [
        ("resource tracker", made.TRACKER),
        ("fork server", made.SERVER),
    ]


def test_tells_what_became_of_pools(found: dict[str, Any]) -> None:
    """Each call has its number, place and what became of its pool."""
    rows = [(row["call"], row["event"], row["path"], row["line"]) for row in found["pools"]]
    assert rows == [(1, "created", "app.py", 7), (2, "reused", "app.py", 7)]


def test_numbers_calls_of_all_processes(tmp_path: Path) -> None:
    """Calls of a worker that has a pool of its own are numbered with the others, by time."""
    journals = made.program()
    journals[made.WORKER].insert(4, made.call(1, 0, 16, pool=9, line=99))
    rows = document(made.write(tmp_path, journals))["pools"]
    assert [(row["call"], row["pid"], row["line"]) for row in rows] == [
        (1, made.MAIN, 7),
        (2, made.WORKER, 99),
        (3, made.MAIN, 7),
    ]


@pytest.mark.parametrize(
    ("status", "code", "name"),
    [(0, 0, None), (3, 3, None), (-15, 143, "SIGTERM"), (-64, 192, "SIGRTMAX"), (None, None, None)],
)
def test_program_ends_as_a_shell_says(
    status: int | None, code: int | None, name: str | None, tmp_path: Path
) -> None:
    """The exit code is 128 + n for signal n, which is named."""
    found = document(made.write(tmp_path, {}, {**made.NOTE, "exit": status}))
    assert (found["program"]["exit_code"], found["program"]["signal"]) == (code, name)


def test_unknown_signals_have_a_number(tmp_path: Path) -> None:
    """A signal that Python has no name for is told by its number."""
    journals = made.program()
    journals[made.MAIN][9] = made.childexit(made.SECOND, -33, 61)
    death = document(made.write(tmp_path, journals))["workers"][1]["death"]
    assert death["signal"] == "signal 33"


def test_exit_that_nobody_saw(tmp_path: Path) -> None:
    """Without the parent's word a worker's own is taken; without that, none is made up."""
    journals = made.program()
    journals[made.MAIN] = [e for e in journals[made.MAIN] if e["ev"] != "childexit"]
    first, second = document(made.write(tmp_path, journals))["workers"]
    assert first["death"]["exit_code"] == 0
    assert second["death"]["exit_code"] is None
    assert second["death"]["task"] == "app:die"


def test_counts_what_was_not_observed(tmp_path: Path) -> None:
    """Each reason has one row with its count; workers without a line are among them."""
    journals = made.program()
    journals[made.MAIN] += [
        made.launch("", 50, method="exec", unobserved="started with -S"),
        made.launch("", 51, method="exec", unobserved="started with -S"),
        made.launch("", 52, method="exec", unobserved=None),
        made.launch("Spawn-9", 53, method="spawn"),
        made.launch("Spawn-10", 54, method="spawn", unobserved="started with an emptied x"),
        {"ev": "lost", "lost": 4},
    ]
    journals[made.WORKER][1]["loop"] = "opaque"
    rows = document(made.write(tmp_path, journals))["not_observed"]
    assert {row["reason"]: row["count"] for row in rows} == {
        "a Python child started with -S": 2,
        "a Python child started with an emptied x": 1,
        "a spawn worker that ended before its first line": 1,
        "the tasks of a multiprocessing worker (only its birth and death are seen)": 1,
        "lines that could not be written (the recording's disk is full?)": 4,
    }


def test_workers_without_a_line_are_counted_once(tmp_path: Path) -> None:
    """A journal that was made and never written to is its worker's, which is counted already."""
    journals = made.program()
    journals[made.MAIN].append(made.launch("Fork-9", 53))
    folder = made.write(tmp_path, journals)
    (folder / "777-1.jsonl").touch()
    silent = {"reason": "a fork worker that ended before its first line", "count": 1}
    assert document(folder)["not_observed"] == [silent]
    (folder / "778-1.jsonl").touch()
    lost = {"reason": "a journal without its first line (the disk full?)", "count": 1}
    assert document(folder)["not_observed"] == [silent, lost]


def test_workers_without_bootstrap_are_told_from_those_without_a_line(tmp_path: Path) -> None:
    """Of two workers that were killed early one left its first line, the other none."""
    journals = made.program()
    journals[made.MAIN] += [made.launch("Fork-8", 52), made.launch("Fork-9", 53)]
    journals[777] = [made.start(777, 54, purpose="worker")]
    rows = document(made.write(tmp_path, journals))["not_observed"]
    assert {row["reason"]: row["count"] for row in rows} == {
        "a fork worker that ended before its bootstrap": 1,
        "a fork worker that ended before its first line": 1,
    }


def test_program_that_was_not_observed(tmp_path: Path) -> None:
    """If there is no journal of the program itself, that is said."""
    journals = made.program()
    del journals[made.MAIN]
    found = document(made.write(tmp_path, journals))
    assert found["program"]["observed"] is False
    assert "could not be observed" in found["not_observed"][0]["reason"]


def test_internal_faults_are_told(tmp_path: Path) -> None:
    """A fault of ours in any process is in the document."""
    journals = made.program()
    journals[made.WORKER].append({"ev": "fault", "where": "x", "error": "E: y", "t": made.at(9)})
    (fault,) = document(made.write(tmp_path, journals))["faults"]
    assert (fault["where"], fault["error"]) == ("x", "E: y")


def test_memory_is_looked_at_from_outside(tmp_path: Path) -> None:
    """The watch notes the memory of each process with a journal, last and highest."""
    import os

    mine = f"{os.getpid()}-1.jsonl"
    for name in (mine, "999999999-1.jsonl", "no number-1.jsonl", "run.json"):
        (tmp_path / name).touch()
    watch = MemoryWatch(str(tmp_path))
    watch.look()
    assert list(watch.last) == [mine]
    watch.last[mine] = [1, 1 << 50]
    watch.look()
    last, highest = watch.last[mine]
    assert 1 << 20 < last < highest == 1 << 50
    MemoryWatch(str(tmp_path / "gone")).look()


def test_memory_is_told_with_the_death(tmp_path: Path) -> None:
    """What a process had when it was last looked at is told with its death."""
    journal = f"{made.SECOND}-{made.SECOND:x}.jsonl"
    note = {**made.NOTE, "memory": {journal: [5, 9]}}
    first, second = document(made.write(tmp_path, made.program(), note))["workers"]
    assert first["death"]["memory"] is None
    assert second["death"]["memory"] == {"last": 5, "highest": 9}
