"""The environments that are made for a version of joblib, with venv and pip played by hand."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from workerstate.errors import UsageError
from workerstate.lab import environments

Answer = Callable[[list[str]], subprocess.CompletedProcess[str]]


class Tools:
    """Plays venv, pip and the interpreter; ``calls`` says what was asked of them."""

    def __init__(self, *, joblib: str | None = "1.3.2", pip: str | None = None) -> None:
        self.joblib, self.pip = joblib, pip
        self.calls: list[str] = []

    def __call__(
        self, command: list[str], *, env: object = None
    ) -> subprocess.CompletedProcess[str]:
        if "venv" in command:
            self.calls.append("venv")
            interpreter = Path(command[-1]) / "bin" / "python"
            interpreter.parent.mkdir(parents=True)
            interpreter.touch()
            return subprocess.CompletedProcess(command, 0, "", "")
        if "pip" in command:
            self.calls.append(command[-1])
            return subprocess.CompletedProcess(command, 1 if self.pip else 0, "", self.pip or "")
        self.calls.append("ask")
        found = {"python": "3.11.7", "platform": "Linux", "cpus": 2, "joblib": self.joblib}
        text = json.dumps({**found, "loky": "3.4.1", "trouble": "SyntaxError: no"})
        return subprocess.CompletedProcess(command, 0, text, "")


def install(monkeypatch: pytest.MonkeyPatch, tools: Tools) -> Tools:
    """Put the played tools in place."""
    monkeypatch.setattr(environments, "_run", tools)
    return tools


def test_an_environment_is_made_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The second replay with a version finds what the first has made."""
    tools = install(monkeypatch, Tools())
    first = environments.with_joblib("1.3.2", cache=tmp_path)
    assert tools.calls == ["venv", "joblib==1.3.2", "ask"]
    assert first.joblib == "1.3.2"
    assert Path(first.executable).is_relative_to(tmp_path)
    tools.calls.clear()
    assert environments.with_joblib("1.3.2", cache=tmp_path) == first
    assert tools.calls == ["ask"]
    assert len(list(tmp_path.iterdir())) == 1


def test_other_versions_have_places_of_their_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An environment with one version is not taken for another."""
    tools = install(monkeypatch, Tools())
    one = environments.with_joblib("1.3.2", cache=tmp_path)
    tools.joblib = "1.3.0"
    other = environments.with_joblib("1.3", cache=tmp_path)
    assert one.executable != other.executable


@pytest.mark.parametrize(
    ("pip", "words"),
    [
        (
            "ERROR: Could not find a version that satisfies the requirement joblib==9 "
            "(from versions: 1.3.1, 1.3.2)\nERROR: No matching distribution found",
            "there is no joblib 1.3.2 for this Python",
        ),
        (
            "WARNING: Retrying after NewConnectionError\n"
            "ERROR: Could not find a version (from versions: none)",
            "the package index can't be reached",
        ),
        ("ERROR: No space left on device", "pip could not install joblib 1.3.2: ERROR: No space"),
    ],
)
def test_an_environment_that_fails_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, pip: str, words: str
) -> None:
    """The error says why, and the next try does not find half an environment."""
    tools = install(monkeypatch, Tools(pip=pip))
    with pytest.raises(UsageError, match=words):
        environments.with_joblib("1.3.2", cache=tmp_path)
    assert list(tmp_path.iterdir()) == []
    tools.pip = None
    assert environments.with_joblib("1.3.2", cache=tmp_path).joblib == "1.3.2"


def test_an_environment_without_interpreter_is_made_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """When Python itself was upgraded, a kept environment may have lost its interpreter."""
    tools = install(monkeypatch, Tools())
    made = Path(environments.with_joblib("1.3.2", cache=tmp_path).executable)
    made.unlink()
    tools.calls.clear()
    environments.with_joblib("1.3.2", cache=tmp_path)
    assert tools.calls == ["venv", "joblib==1.3.2", "ask"]
    assert made.exists()


def test_a_joblib_too_old_for_this_python_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A version that installs but can't be imported is an error that says what happened."""
    install(monkeypatch, Tools(joblib=None))
    with pytest.raises(UsageError, match=r"does not work with Python 3\.11\.7: SyntaxError: no"):
        environments.with_joblib("1.3.2", cache=tmp_path)


def test_another_joblib_than_asked_for_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A PYTHONPATH with a joblib must not pass for the version asked for."""
    install(monkeypatch, Tools(joblib="1.6.0"))
    with pytest.raises(UsageError, match=r"gives joblib 1\.6\.0, not 1\.3\.2"):
        environments.with_joblib("1.3.2", cache=tmp_path)


@pytest.mark.parametrize("version", ["", "x", "1.3.2; rm", "1..2", "--index-url", "../1.3.2"])
def test_what_is_no_version_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str
) -> None:
    """Only a version reaches pip or becomes part of a path."""
    tools = install(monkeypatch, Tools())
    with pytest.raises(UsageError, match="is not a version"):
        environments.with_joblib(version, cache=tmp_path)
    assert tools.calls == []


def test_a_cache_that_can_not_be_written_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The error names the place."""
    install(monkeypatch, Tools())
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"can't make .*file"):
        environments.with_joblib("1.3.2", cache=tmp_path / "file" / "below")


def test_the_cache_directory_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    """XDG_CACHE_HOME counts if it is an absolute path, as its specification says."""
    monkeypatch.setenv("XDG_CACHE_HOME", "/some/cache")
    assert environments.cache_directory() == Path("/some/cache/workerstate/environments")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", "/some/home")
    assert environments.cache_directory() == Path("/some/home/.cache/workerstate/environments")


def test_an_interpreter_that_is_not_there_is_said() -> None:
    """Asking needs an interpreter."""
    with pytest.raises(UsageError, match=r"/nowhere/python can't be used: No such file"):
        environments.ask("/nowhere/python")
