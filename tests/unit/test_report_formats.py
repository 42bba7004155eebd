"""Findings for other programs: GitHub's annotations, SARIF, and the options that choose them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import recordings as made

from workerstate.audit.finding import Inherited
from workerstate.cli import main
from workerstate.cli.output import all_rules
from workerstate.report import github, sarif
from workerstate.report.stated import Stated, of_audit, split_place

HOSTILE = "50% of a:b, c\r\nd"


def stated(**changes: Any) -> Stated:
    """Give a finding, changed."""
    plain = Stated("WS201", "worker-died", "a worker died", "app.py", 7, "Do this.")
    changed: Stated = plain.replace(**changes)
    return changed


def inherited(**changes: Any) -> Inherited:
    """Give a finding of an audit, changed."""
    plain = Inherited(
        "WS511", "app.OPTIONS", "different", "app:work", "app.py:3", "app.py:9", "1", "0", "Carry."
    )
    changed: Inherited = plain.replace(**changes)
    return changed


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """The recording made by hand."""
    folder = tmp_path / "recording"
    folder.mkdir()
    return made.write(folder, made.program())


# --- GitHub


def test_annotation_names_place_and_rule() -> None:
    """A finding is one command with file, line, title, and the remedy in its message."""
    assert github.render([stated()]) == (
        "::warning file=app.py,line=7,title=WS201 worker-died::a worker died%0ARemedy: Do this.\n"
    )


def test_annotation_without_a_place() -> None:
    """What has no place, or no remedy, goes without."""
    text = github.render([stated(path=None, line=None, remedy="")])
    assert text == "::warning title=WS201 worker-died::a worker died\n"


def test_annotation_cannot_be_broken_out_of() -> None:
    """Line ends, percent signs, and in properties colons and commas, are escaped."""
    text = github.render([stated(message=HOSTILE, path=HOSTILE, remedy="")])
    (line,) = text.splitlines()
    properties, _, message = line.removeprefix("::warning ").rpartition("::")
    assert message == "50%25 of a:b, c%0D%0Ad"
    assert properties.split(",")[0] == "file=50%25 of a%3Ab%2C c%0D%0Ad"


# --- SARIF


def run_of(*findings: Stated) -> Any:
    """Give the one run of the file."""
    text = json.loads(sarif.render(findings, all_rules(), version="1"))
    assert text["version"] == "2.1.0"
    (run,) = text["runs"]
    return run


def test_sarif_has_its_rules_with_help() -> None:
    """Each rule that found something is there once, with its page, and results refer to it."""
    run = run_of(stated(), stated(code="WS101", rule="logging-lost"), stated(line=9))
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["WS101", "WS201"]
    for rule in rules:
        assert rule["help"]["text"] == all_rules()[rule["id"]].page()
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]


def test_sarif_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths below the folder are relative and quoted, others are file URIs, none has no place."""
    monkeypatch.chdir(tmp_path)
    run = run_of(stated(path="a b/ü.py"), stated(path="/x y/z.py", line=None), stated(path=None))
    near, far, none = (result["locations"] for result in run["results"])
    assert near[0]["physicalLocation"] == {
        "artifactLocation": {"uri": "a%20b/%C3%BC.py", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": 7},
    }
    assert far[0]["physicalLocation"] == {"artifactLocation": {"uri": "file:///x%20y/z.py"}}
    assert none == []
    assert run["originalUriBaseIds"]["%SRCROOT%"]["uri"] == tmp_path.as_uri() + "/"


def test_sarif_message_says_what_to_do() -> None:
    """A message is sentences: what is wrong, then the remedy."""
    for message in ("a worker died", "a worker died."):
        result = run_of(stated(message=message))["results"][0]
        assert result["message"] == {"text": "a worker died. Do this."}
    assert run_of(stated(remedy=""))["results"][0]["message"]["text"] == "a worker died."


def test_sarif_takes_any_name() -> None:
    """A file name that is no text, and a rule that is not known, are written all the same."""
    run = run_of(stated(code="WS999", rule="new", path="\udcff.py"))
    assert run["tool"]["driver"]["rules"] == [{"id": "WS999", "name": "new"}]
    uri = run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == "%FF.py"


def test_sarif_findings_are_known_again() -> None:
    """A finding that moved is the same one; two alike in one file are two."""

    def prints(*findings: Stated) -> list[str]:
        return [r["partialFingerprints"]["said/v1"] for r in run_of(*findings)["results"]]

    before = prints(stated(message="dict of 3 #aabbcc", line=7))
    assert prints(stated(message="dict of 3 #ddeeff", line=9)) == before
    assert len({*prints(stated(), stated(line=9), stated(path="b.py"), stated(message="x"))}) == 4


def test_audit_points_at_the_line_that_reads() -> None:
    """The place is where the task reads; where it is set is told besides, or is the place."""
    (found,) = of_audit([inherited()], {})
    assert (found.path, found.line, found.also) == ("app.py", 9, (("set here", "app.py", 3),))
    (found,) = of_audit([inherited(where_read=None)], {})
    assert (found.path, found.line, found.also) == ("app.py", 3, ())
    (found,) = of_audit([inherited(where_read=None, where_set=None)], {})
    assert (found.path, found.line, found.also) == (None, None, ())
    related = run_of(*of_audit([inherited()], {}))["results"][0]["relatedLocations"]
    assert related[0]["physicalLocation"]["region"] == {"startLine": 3}


@pytest.mark.parametrize(
    ("place", "parts"),
    [
        ("a.py:3", ("a.py", 3)),
        ("a:b.py:3", ("a:b.py", 3)),
        ("a.py", ("a.py", None)),
        ("", (None, None)),
        (None, (None, None)),
    ],
)
def test_places_are_taken_apart(place: str | None, parts: tuple[str | None, int | None]) -> None:
    """A path may have colons, a place may have no line."""
    assert split_place(place) == parts


def test_places_outside_the_folder_are_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path below the current folder is relative to it; one beside it is absolute."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert split_place(f"{tmp_path}/here/a.py:1") == ("a.py", 1)
    assert split_place(f"{tmp_path}/a.py:1") == (f"{tmp_path}/a.py", 1)


# --- the options


@pytest.mark.parametrize("output_format", ["json", "github", "sarif"])
def test_show_in_each_format(
    output_format: str, recording: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A format gives the findings on stdout, and nothing else; or in a file."""
    assert main(["show", "--output-format", output_format, str(recording)]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert "WS201" in printed.out
    path = tmp_path / "out"
    arguments = ["--output-format", output_format, "--output-file", str(path)]
    assert main(["show", *arguments, str(recording)]) == 0
    assert capsys.readouterr().out == ""
    assert path.read_text() == printed.out


def test_findings_as_json(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """JSON is the list of the document's findings."""
    assert main(["show", "--output-format", "json", str(recording)]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {"code", "name", "sentence", "path", "line", "remedy"} == {*rows[0]}


def test_run_gives_findings_after_the_programs_output(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`run --output-format` adds to the program's stdout and shows no summary."""
    monkeypatch.chdir(tmp_path)
    program = "print('its own', flush=True); raise SystemExit(3)"
    assert main(["run", "--output-format", "json", "-c", program]) == 3
    printed = capfd.readouterr()
    assert re.fullmatch(r"its own\n\[\]\n", printed.out)
    assert printed.err == ""


def test_file_that_cannot_be_written_is_refused_before_the_program_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bad --output-file is exit 2, and the program has not run."""
    monkeypatch.chdir(tmp_path)
    arguments = ["--output-format", "sarif", "--output-file", str(tmp_path)]
    assert main(["run", *arguments, "-c", "open('ran', 'w')"]) == 2
    assert "can't write" in capsys.readouterr().err
    assert not (tmp_path / "ran").exists()
