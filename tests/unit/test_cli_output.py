"""What the verbs write: documents, the summary, the pages of rules."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import recordings as made

from workerstate.audit.rules import RULES
from workerstate.cli import main, output
from workerstate.errors import UsageError
from workerstate.observe.document import document
from workerstate.report import words


class Terminal(io.StringIO):
    """A stderr that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """The recording made by hand."""
    folder = tmp_path / "recording"
    folder.mkdir()
    return made.write(folder, made.program())


def test_document_is_written_for_its_owner_alone(tmp_path: Path) -> None:
    """A document is plain JSON in a file that only its owner can read, and replaces the old one."""
    path = tmp_path / "document.json"
    output.write_json({"a": "x" * 100}, str(path))
    output.write_json({"a": "\udcff é"}, str(path))
    assert json.loads(path.read_text("ascii")) == {"a": "\udcff é"}
    assert path.stat().st_mode & 0o777 == 0o600


def test_document_goes_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    """A dash stands for stdout."""
    output.check_target("-")
    output.write_json([1], "-")
    assert json.loads(capsys.readouterr().out) == [1]


def test_places_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    """A folder, or a file in a folder that is not there, is refused before and after."""
    for target in (str(tmp_path), str(tmp_path / "no" / "file")):
        with pytest.raises(UsageError, match="can't write"):
            output.check_target(target)
        with pytest.raises(UsageError, match="can't write"):
            output.write_json({}, target)


def test_checking_keeps_what_is_there(tmp_path: Path) -> None:
    """A document of an earlier run stays until there is a new one."""
    path = tmp_path / "document.json"
    path.write_text("old")
    output.check_target(str(path))
    assert path.read_text() == "old"


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run a verb that must succeed; give what it wrote."""
    assert main([*arguments]) == 0
    captured = capsys.readouterr()
    return captured.out + captured.err


def test_summary_tells_what_matters(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Workers, tasks, differences, changes, pools, deaths and findings are in the summary."""
    text = shown(capsys, "show", str(recording))
    for words_ in (
        "2 workers, 3 tasks, 80 ms, exit 3",
        "app:work x2",
        "root.handlers",
        "call 2",
        "ended by SIGKILL while running app:die",
        "WS201 worker-died",
        f"workerstate show {recording}",
    ):
        assert words_ in " ".join(text.split()), words_


def test_quiet_summary_has_the_findings_alone(
    recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """-q leaves the first line and the findings."""
    text = shown(capsys, "show", "-q", str(recording))
    assert text.startswith("workerstate: 2 workers")
    assert "WS201" in text
    assert "call 2" not in text
    assert "again:" not in text


def test_summary_is_plain_without_a_terminal(
    recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where stderr is no terminal there are no escape sequences, and no line over 100 columns."""
    text = shown(capsys, "show", str(recording))
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize(
    ("environ", "coloured"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
    ],
)
def test_colours_obey_the_environment(
    environ: dict[str, str], coloured: bool, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a terminal there are colours, unless NO_COLOR or TERM=dumb says otherwise."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    assert main(["show", str(recording)]) == 0
    assert ("\x1b[33m" in screen.getvalue() or "\x1b[1;33m" in screen.getvalue()) is coloured


def test_colours_can_be_forced(
    recording: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """FORCE_COLOR gives colours where there is no terminal."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    assert "\x1b[" in shown(capsys, "show", str(recording))


HOSTILE = ["[red]x[/red]", "[/]", "[/nothing]", ":warning:", "a\\[b]", "%s {0}", "é\u200b"]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_of_the_program_are_shown_as_they_are(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing in a name is taken for markup: functions, keys, paths and reasons stay whole."""
    journals = made.program()
    for event in journals[made.WORKER]:
        if event["ev"] == "begin":
            event["fn"] = f"m:{name}"
        if event["ev"] == "changes":
            event["list"] = [["logging", f"{name}.handlers", name, f"{name}, {name}"]]
    journals[made.SECOND][-1]["fn"] = f"m:{name}"
    journals[made.MAIN][6]["path"] = name
    folder = tmp_path / "[bold]"
    folder.mkdir()
    text = shown(capsys, "show", str(made.write(folder, journals)))
    flat = "".join(text.split())
    readable = "".join(name.split())
    for expected in (f"m:{readable}x2", f"whilerunningm:{readable}", f"{readable}.handlers:"):
        assert expected in flat
    assert "[bold]" in flat


def test_very_much_stays_short(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of very many workers, differences and calls the first are shown and the rest counted."""
    journals = made.program()
    for number in range(60):
        pid = 1000 + number
        name = f"Fork-{number + 10}"
        journals[made.MAIN].append(made.launch(name, 40 + number * 0.1))
        journals[made.MAIN].append(made.call(3 + number, 100 + number, 41 + number * 0.1))
        journals[pid] = [
            made.start(pid, 40.05 + number * 0.1, purpose="worker"),
            made.process(pid, 40.06 + number * 0.1, name),
            made.snapshot("born", 1, [made.MAIN, 2], {"logging": {f"k{number}": "x"}}, 50),
        ]
    text = shown(capsys, "show", str(made.write(tmp_path, journals)))
    assert len(text.splitlines()) < 70
    assert "more workers" in text
    assert "more calls" in text


def test_rules_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a code all rules are listed, one a line."""
    lines = shown(capsys, "rule").splitlines()
    assert [line.split()[0] for line in lines] == list(RULES)


@pytest.mark.parametrize("wanted", ["WS101", "ws101", "root-handlers-missing"])
def test_a_rules_page_is_found(wanted: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A rule is found by its code, in any case, and by its name."""
    assert shown(capsys, "rule", wanted) == RULES["WS101"].page() + "\n"


@pytest.mark.parametrize(
    ("wanted", "words_"),
    [("WS1O1", "did you mean WS1"), ("state-accumulate", "did you mean state-accumulates?")],
)
def test_near_misses_are_helped(
    wanted: str, words_: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unknown rule is exit code 2 and, where one is near, a suggestion."""
    assert main(["rule", wanted]) == 2
    assert words_ in capsys.readouterr().err


def test_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """--version prints name and version and ends well."""
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("workerstate ")


def test_document_can_be_shown_as_json(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`show --json -` gives the very document, and no summary."""
    assert main(["show", str(recording), "--json", "-"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == document(str(recording))
    assert captured.err == ""


@pytest.mark.parametrize(
    ("value", "said"),
    [(None, "?"), (0.4, "0.4 ms"), (12, "12 ms"), (1500, "1.5 s"), (61_000, "61 s")],
)
def test_durations(value: Any, said: str) -> None:
    """A time is said in the unit that fits."""
    assert words.duration(value) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [(None, "?"), (5, "5 B"), (2048, "2.0 KiB"), (3 << 20, "3.0 MiB"), (5 << 30, "5.0 GiB")],
)
def test_sizes(value: Any, said: str) -> None:
    """A size is said in the unit that fits."""
    assert words.size(value) == said
