"""`workerstate run` before a program is run: whose options are whose, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from workerstate.cli import build_parser, run
from workerstate.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from pathlib import Path


def parsed(*arguments: str) -> argparse.Namespace:
    """Parse what follows ``workerstate run``."""
    return build_parser().parse_args(["run", *arguments])


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["here.py"], ["here.py"]),
        (["here.py", "--json", "x", "-q"], ["here.py", "--json", "x", "-q"]),
        (["-q", "here.py", "-m", "--", "-c"], ["here.py", "-m", "--", "-c"]),
        (["--json", "a.py", "here.py", "b.py"], ["here.py", "b.py"]),
        (["--", "here.py", "-q"], ["here.py", "-q"]),
        (["-m", "a.module", "-q", "--values"], ["-m", "a.module", "-q", "--values"]),
        (["-q", "-c", "pass", "-m", "x"], ["-c", "pass", "-m", "x"]),
        (["-c", "", "x"], ["-c", "", "x"]),
        (["-m", "a.module", "--", "-x"], ["-m", "a.module", "--", "-x"]),
        (["--cpus", "3", "-m", "m", "--cpus", "4"], ["-m", "m", "--cpus", "4"]),
    ],
)
def test_our_options_end_at_the_program(
    arguments: list[str], command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stands after the script, -m NAME or -c CODE is the program's, whatever it looks like."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here.py").touch()
    assert run._command(parsed(*arguments)) == command


def test_our_options_are_taken() -> None:
    """Options before the script are ours."""
    options = ["--json", "j", "--output", "o", "--fail-on", "WS1", "-q", "--values"]
    found = parsed(*options, "--cpus", "3", "--python", "p", "x.py")
    assert (found.json, found.output, found.fail_on, found.python) == ("j", "o", "WS1", "p")
    assert (found.quiet, found.values, found.cpus) == (True, True, 3)


@pytest.mark.parametrize("arguments", [[], ["-m"], ["-c"], ["--"], ["-q"]])
def test_nothing_to_run_is_refused(arguments: list[str]) -> None:
    """Without a script, a module or code there is nothing to run."""
    with pytest.raises(UsageError, match="Give a script"):
        run._command(parsed(*arguments))


def test_a_script_must_be_there(tmp_path: Path) -> None:
    """A script that is not there is refused by its name; a folder may be one."""
    with pytest.raises(UsageError, match=r"no such script: .*gone\.py"):
        run._command(parsed(str(tmp_path / "gone.py")))
    assert run._command(parsed(str(tmp_path))) == [str(tmp_path)]


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "x", "", "\u0661x", "1_0"])
def test_numbers_of_processors_are_checked(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """--cpus takes a whole number from 1 on."""
    with pytest.raises(SystemExit) as caught:
        parsed("--cpus", text, "x.py")
    assert caught.value.code == 2
    assert "--cpus" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        (None, []),
        ("", []),
        (" , ", []),
        ("WS101", ["WS101"]),
        ("ws1, WS203,", ["WS1", "WS203"]),
    ],
)
def test_codes_are_read(text: str | None, codes: list[str]) -> None:
    """--fail-on takes codes and prefixes, in any case, parted by commas."""
    assert run._codes(text) == codes


def test_unknown_codes_are_named() -> None:
    """Every unknown code is named, and what is known beside it."""
    with pytest.raises(UsageError, match=r"--fail-on WS9, X: .* Known: WS101, ") as caught:
        run._codes("WS1,ws9,x")
    assert "WS402" in str(caught.value)
