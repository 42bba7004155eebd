"""Reading recordings: whole ones, cut ones and damaged ones."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import pytest
import recordings as made

from workerstate.errors import RecordingError
from workerstate.observe.document import document
from workerstate.observe.reading import last_recording, read

if TYPE_CHECKING:
    from pathlib import Path


def test_reads_each_process_in_order_of_its_start(tmp_path: Path) -> None:
    """Every journal is one process; they come in the order in which they started."""
    recording = read(made.write(tmp_path, made.program()))
    assert [p.pid for p in recording.processes] == [
        made.MAIN, made.TRACKER, made.SERVER, made.WORKER, made.SECOND,
    ]  # fmt: skip
    assert recording.main is recording.processes[0]
    assert all(process.torn == 0 for process in recording.processes)


def test_gives_each_event_to_its_process(tmp_path: Path) -> None:
    """Tasks, imports, snapshots, calls and exits are where they belong."""
    recording = read(made.write(tmp_path, made.program()))
    main, _, _, worker, second = recording.processes
    assert [(t.number, t.function, t.work, t.items, t.ok) for t in worker.tasks] == [
        (1, "app:work", 0, 1, True),
        (2, "app:work", 2, 3, False),
    ]
    assert worker.tasks[1].changes == [
        ["logging", "root.handlers", "StreamHandler", "StreamHandler, X"]
    ]
    assert worker.tasks[1].changes_since == 1
    assert [call["first"] for call in main.calls] == [0, 2]
    assert main.imports == [["app", 0, 900], ["json", 1, 200]]
    assert second.imports_at_birth == 1
    assert (worker.reaped or {})["code"] == 0
    assert (second.reaped or {})["code"] == -9
    assert second.tasks[0].end is None


def test_process_ids_may_be_used_again(tmp_path: Path) -> None:
    """An exit status goes to the process that had the id at that moment."""
    journals = {
        made.MAIN: [
            made.start(made.MAIN, 0, ppid=1, how="exec"),
            made.childexit(made.WORKER, 1, 20),
            made.childexit(made.WORKER, 2, 40),
        ],
        made.WORKER: [made.start(made.WORKER, 10)],
    }
    folder = made.write(tmp_path, journals)
    (folder / "later.jsonl").write_text(json.dumps(made.start(made.WORKER, 30)) + "\n")
    first, second = read(folder).processes[1:]
    assert ((first.reaped or {})["code"], (second.reaped or {})["code"]) == (1, 2)


def test_every_prefix_of_a_journal_can_be_read(tmp_path: Path) -> None:
    """A journal may end after any byte: what is whole is read, the rest is counted."""
    folder = made.write(tmp_path, {made.WORKER: made.program()[made.WORKER][:7]})
    (path,) = folder.glob("*.jsonl")
    content = path.read_bytes()
    for length in range(len(content) + 1):
        path.write_bytes(content[:length])
        lines = content[:length].count(b"\n")
        recording = read(folder)
        if lines == 0:
            assert (recording.processes, recording.unread) == ([], 1)
            continue
        (process,) = recording.processes
        assert process.torn == (not content[:length].endswith(b"\n"))
        assert len(process.tasks) == sum(1 for n in (4, 6) if lines >= n)


@pytest.mark.parametrize("pid", made.program())
def test_every_line_may_be_missing(pid: int, tmp_path: Path) -> None:
    """A document can be made though any one line was lost, or all lines from it on."""
    journals = made.program()
    for number in range(len(journals[pid])):
        for kept in (
            journals[pid][:number],
            journals[pid][:number] + journals[pid][number + 1 :],
        ):
            found = document(made.write(tmp_path, {**journals, pid: kept}))
            assert len(found["workers"]) <= 2


def test_any_lines_may_be_missing(tmp_path: Path) -> None:
    """A document can be made of whatever a full disk let through."""
    rng = random.Random(3)
    for _ in range(150):
        journals = {
            pid: [event for event in events if rng.random() < 0.7]
            for pid, events in made.program().items()
            if rng.random() < 0.9
        }
        document(made.write(tmp_path, journals))
        for path in tmp_path.glob("*.jsonl"):
            path.unlink()


GARBAGE = [
    b"",
    b"garbage",
    b"{",
    b"[]",
    b"3",
    b"null",
    b'"text"',
    b"{}",
    b'{"ev": "begin"}',
    b'{"ev": "end", "n": 1}',
    b'{"ev": "unheard of", "t": 5}',
    b'{"ev": ["begin"]}',
    b'{"ev": "begin", "n": 1, "fn": "f", "t": "noon"}',
    b"\xff\xfe\x00",
    b"[" * 100_000,
    b'{"ev": "begin", "n": 1',
]


@pytest.mark.parametrize("line", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_between_lines_is_passed_over(line: bytes, tmp_path: Path) -> None:
    """A line that says nothing changes nothing of what the others say."""
    folder = made.write(tmp_path, made.program())
    whole = document(folder)
    for path in folder.glob("*.jsonl"):
        first, *rest = path.read_bytes().splitlines()
        path.write_bytes(b"\n".join([line, first, line, *rest, line]) + b"\n")
    damaged = document(folder)
    assert damaged["workers"] == whole["workers"]
    assert damaged["pools"] == whole["pools"]


def test_cut_journals_are_said(tmp_path: Path) -> None:
    """The document tells how many journals end in the middle of a line, or have none."""
    folder = made.write(tmp_path, made.program())
    for pid in (made.WORKER, made.SECOND):
        path = next(folder.glob(f"{pid}-*"))
        path.write_bytes(path.read_bytes() + b'{"ev":')
    (folder / "999-1.jsonl").write_text("")
    rows = {row["reason"]: row["count"] for row in document(folder)["not_observed"]}
    assert rows == {
        "a journal with a line that is cut (killed while writing, or the disk full)": 2,
        "a journal without its first line (the disk full?)": 1,
    }


def test_missing_note_is_no_hindrance(tmp_path: Path) -> None:
    """Journals without run.json make a document without what only the launcher knew."""
    found = document(made.write(tmp_path, made.program(), note=None))
    assert found["program"]["exit_code"] is None
    assert sum(len(worker["tasks"]) for worker in found["workers"]) == 3


def test_refuses_what_is_no_recording(tmp_path: Path) -> None:
    """An empty folder, a file and nothing at all are refused by their names."""
    file = tmp_path / "file"
    file.touch()
    empty = tmp_path / "empty"
    empty.mkdir()
    for path, words in (
        (empty, "holds no recording"),
        (file, "is not a folder"),
        (tmp_path / "nothing", "is not a folder"),
    ):
        with pytest.raises(RecordingError, match=words) as caught:
            read(path)
        assert str(path) in str(caught.value)


def test_finds_the_last_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest folder with a run.json is the last recording; others are passed over."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(RecordingError, match="no recording here yet"):
        last_recording()
    for name in ("20260101T000000.000001Z-b", "20260101T000000.000002Z-a"):
        folder = tmp_path / ".workerstate" / name
        folder.mkdir(parents=True)
        (folder / "run.json").write_text("{}")
    (tmp_path / ".workerstate" / "2999").mkdir()
    assert last_recording().endswith("000002Z-a")
