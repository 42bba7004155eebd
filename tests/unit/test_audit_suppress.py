"""What a project does not want to hear of: pyproject.toml, and comments in its code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import recordings as made

from workerstate import project
from workerstate.cli import main
from workerstate.cli.output import keep_wanted
from workerstate.errors import UsageError
from workerstate.project import Project
from workerstate.wanted import check_codes, is_wanted


def configured(tmp_path: Path, text: str) -> Project:
    """Read a project's choices from a table of that text."""
    (tmp_path / "pyproject.toml").write_text(f"[tool.workerstate]\n{text}\n", "utf-8")
    return project.read(tmp_path)


def source(tmp_path: Path, text: str) -> str:
    """Write a source file, each time another one; give its path."""
    path = tmp_path / f"source{len([*tmp_path.iterdir()])}.py"
    path.write_text(text, "utf-8")
    return str(path)


# --- pyproject.toml


def test_every_key_is_read(tmp_path: Path) -> None:
    """Each key is read; codes may be written small."""
    found = configured(
        tmp_path,
        'select = ["ws5"]\nignore = ["WS511"]\nignore-names = ["app.*"]\n'
        'target = "loky"\ntimeout = 3',
    )
    path = str(tmp_path.resolve() / "pyproject.toml")
    assert found == Project(("WS5",), ("WS511",), ("app.*",), "loky", 3.0, path)


def test_nearest_table_counts(tmp_path: Path) -> None:
    """A folder belongs to the nearest file above that has the table."""
    configured(tmp_path, 'target = "loky"')
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "a" / "pyproject.toml").write_text("[tool.other]\n")
    assert project.read(inner).target == "loky"
    (inner / "pyproject.toml").write_text("[tool.workerstate]\n")
    assert project.read(inner).target is None


def test_no_project_has_no_choices(tmp_path: Path) -> None:
    """Without a file, or with one whose tool is no table, all is wanted."""
    assert project.read(tmp_path) == Project()
    (tmp_path / "pyproject.toml").write_text("tool = 3\n")
    assert project.read(tmp_path) == Project()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ignores = []", "no key 'ignores'; did you mean 'ignore'"),
        ("xyz = 1", "no key 'xyz'; known: select, ignore, ignore-names, target, timeout"),
        ('ignore = "WS511"', "ignore = 'WS511': write a list of strings"),
        ("ignore-names = [1]", r"ignore-names = \[1\]: write a list of strings"),
        ('target = "forks"', "target = 'forks': write one of fork, spawn"),
        ("target = []", r"target = \[\]: write one of"),
        ("timeout = 0", "timeout = 0: write seconds, more than 0"),
        ("timeout = true", "timeout = True: write seconds"),
        ("timeout = nan", "timeout = nan: write seconds"),
        ("target = ", "can't read .*pyproject.toml"),
    ],
)
def test_mistakes_are_told(tmp_path: Path, text: str, said: str) -> None:
    """An unknown key, a wrong type, a broken file: what, where, and what is nearest."""
    with pytest.raises(UsageError, match=said):
        configured(tmp_path, text)


@pytest.mark.parametrize("content", [b"[tool]\nworkerstate = 3", b"\xff\xfe"])
def test_files_that_mean_nothing_are_told(tmp_path: Path, content: bytes) -> None:
    """A table that is none, and a file that is no text, are mistakes too."""
    (tmp_path / "pyproject.toml").write_bytes(content)
    with pytest.raises(UsageError, match=r"pyproject\.toml"):
        project.read(tmp_path)


@pytest.mark.parametrize("key", ["select", "ignore"])
def test_unknown_codes_end_a_run_before_it_starts(
    key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A code that no rule has is exit 2, with the nearest one, and the program has not run."""
    configured(tmp_path, f'{key} = ["WS1O1"]')
    monkeypatch.chdir(tmp_path)
    assert main(["run", "-c", "open('ran', 'w')"]) == 2
    said = capsys.readouterr().err
    assert f"[tool.workerstate] {key}: no rule has the code 'WS1O1'; did you mean WS1" in said
    assert not (tmp_path / "ran").exists()


def test_codes_may_be_beginnings() -> None:
    """The beginning of a code stands for all that begin so; an empty one is a mistake."""
    check_codes("here", ["WS1", "WS101"], ["WS101", "WS102"])
    for code in ("", "WS2"):
        with pytest.raises(UsageError, match="here: no rule has the code"):
            check_codes("here", [code], ["WS101"])


@pytest.mark.parametrize(
    ("choices", "wanted"),
    [
        (Project(), True),
        (Project(select=("WS5",)), True),
        (Project(select=("WS1", "WS2")), False),
        (Project(ignore=("WS51",)), False),
        (Project(select=("WS511",), ignore=("WS5",)), False),
        (Project(ignore_names=("app.CACHE",)), False),
        (Project(ignore_names=("app.*",)), False),
        (Project(ignore_names=("app.C",)), True),
        (Project(ignore_names=("APP.CACHE",)), True),
    ],
)
def test_choices_of_codes_and_names(choices: Project, wanted: bool) -> None:
    """What is ignored is not wanted, though it be selected; names may be patterns."""
    assert is_wanted(choices, "WS511", "app.CACHE") is wanted


# --- comments


@pytest.mark.parametrize(
    ("comment", "wanted"),
    [
        ("# workerstate: ignore", False),
        ("# workerstate: ignore[WS511]", False),
        ("# workerstate: ignore[ws511]", False),
        ("#workerstate:ignore [ WS101 , WS511 ]", False),
        ("# noqa: E501  # workerstate: ignore[WS5]", False),
        ("# workerstate: ignore[WS512]", True),
        ("# workerstate: ignore[]", True),
        ("# workerstate: ignored", True),
        ("# workerstate: ignore-file", True),
        ("# worker: ignore", True),
        ("; s = '# workerstate: ignore'", True),
    ],
)
def test_comments(tmp_path: Path, comment: str, wanted: bool) -> None:
    """A comment leaves out its codes, or all; what only looks like one does nothing."""
    path = source(tmp_path, f"x = 1  {comment}\ny = 2\n")
    assert is_wanted(Project(), "WS511", None, [(path, 1)]) is wanted
    assert is_wanted(Project(), "WS511", None, [(path, 2)])


def test_comment_is_for_its_whole_statement(tmp_path: Path) -> None:
    """A statement over several lines has one comment; the lines around it have none."""
    path = source(
        tmp_path,
        "a = 1\n"
        "x = [\n    1,\n\n    # a word between\n    2,\n]  # workerstate: ignore\n"
        "# workerstate: ignore\n"
        "def f():\n    return x\n",
    )
    ignored = [n for n in range(1, 11) if not is_wanted(Project(), "WS511", None, [(path, n)])]
    assert ignored == [2, 3, 4, 5, 6, 7]


def test_either_place_counts(tmp_path: Path) -> None:
    """The comment may stand where state is set, or where it is read."""
    path = source(tmp_path, "x = 1  # workerstate: ignore\nprint(x)\n")
    assert not is_wanted(Project(), "WS511", None, [(None, None), (path, 2), (path, 1)])


def test_files_that_cannot_be_read_have_no_comments(tmp_path: Path) -> None:
    """A missing file, a folder, no Python: nothing is ignored, nothing fails."""
    broken = source(tmp_path, "x = 1  # workerstate: ignore\nx = (\n")
    latin = tmp_path / "latin.py"
    latin.write_bytes(b"x = '\xff'  # workerstate: ignore\n")
    for path in (str(tmp_path), str(tmp_path / "no.py"), str(latin), "\0"):
        assert is_wanted(Project(), "WS511", None, [(path, 1)])
    assert not is_wanted(Project(), "WS511", None, [(broken, 1)])


# --- findings of a recording


def test_findings_of_a_run_are_left_out_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`show` leaves out what is ignored, in each format, and says in the summary how many."""
    folder = tmp_path / "recording"
    folder.mkdir()
    made.write(folder, made.program())
    configured(tmp_path, 'ignore = ["WS2"]')
    monkeypatch.chdir(tmp_path)
    assert main(["show", str(folder)]) == 0
    text = capsys.readouterr().err
    assert "WS201" not in text
    assert "more finding ignored, as asked for" in text
    assert main(["show", "--output-format", "json", str(folder)]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_findings_of_a_run_obey_comments(tmp_path: Path) -> None:
    """A finding at a line with the comment is left out of the document."""
    path = source(tmp_path, "x = 1  # workerstate: ignore[WS103]\nx = 2\n")
    row = {"code": "WS103", "name": "globals-reset", "path": path, "line": 1}
    document = {"findings": [row, {**row, "line": 2}, {**row, "code": "WS101"}]}
    keep_wanted(document, Project())
    assert [(f["code"], f["line"]) for f in document["findings"]] == [("WS103", 2), ("WS101", 1)]
    assert document["ignored"] == 1
