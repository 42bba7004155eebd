"""Runs programs under observation, and tells which processes of ours are alive."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

PROGRAMS = Path(__file__).parent / "processes" / "programs"
GRACE = 10.0  # seconds that processes have to end after a test
# Where multiprocessing and loky keep the ids of helpers that last as long as this process.
_OWN_HELPERS = (
    ("multiprocessing.resource_tracker", "_resource_tracker", "_pid"),
    ("multiprocessing.forkserver", "_forkserver", "_forkserver_pid"),
    ("loky.backend.resource_tracker", "_resource_tracker", "_pid"),
    ("joblib.externals.loky.backend.resource_tracker", "_resource_tracker", "_pid"),
)


# --- no process is left behind


def living() -> dict[tuple[int, int], str]:
    """Give this process's living descendants: (pid, start time) -> command line."""
    found: dict[tuple[int, int], str] = {}
    seen: set[int] = set()
    own = _own_helpers()
    # Whose parent ends while we look becomes our child: we look until there is no new one.
    while fresh := [pid for pid in _children(os.getpid()) if pid not in seen]:
        while fresh:
            pid = fresh.pop()
            seen.add(pid)
            entry = _entry(pid)
            if entry is not None:
                fresh += _children(pid)
                if pid not in own:
                    found[pid, entry[0]] = entry[1]
    return found


def _entry(pid: int) -> tuple[int, str] | None:
    """Give start time and command line of a process; None if it has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return None
    state, *rest = stat.rpartition(")")[2].split()
    if state in "ZX":
        return None
    return int(rest[18]), command.replace(b"\0", b" ").decode(errors="replace")


def _children(pid: int) -> list[int]:
    out: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            out += map(int, path.read_text().split())
        except OSError:
            continue  # that thread has just ended
    return out


def unreaped() -> set[int]:
    """Give this process's children that have ended, and that nobody has waited for."""
    return {pid for pid in _children(os.getpid()) if _state(pid) == "Z"}


def _state(pid: int) -> str:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[0]


def _own_helpers() -> set[int | None]:
    return {
        getattr(getattr(sys.modules[module], holder, None), attribute, None)
        for module, holder, attribute in _OWN_HELPERS
        if module in sys.modules
    }


def left_behind(before: dict[tuple[int, int], str]) -> str | None:
    """Wait for what was started after ``before`` to end; say what does not, and end it."""
    deadline = time.monotonic() + GRACE
    while left := {key: text for key, text in living().items() if key not in before}:
        if time.monotonic() > deadline:
            for pid, _ in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            return "\n".join(f"{pid}: {text}" for (pid, _), text in left.items())
        time.sleep(0.01)
    return None


def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait until something is so; it must be within so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, living()
        time.sleep(0.005)


def gone(pid: int, seconds: float = 20.0) -> bool:
    """Wait for the end of a process, though nobody may take it in; give whether it came."""
    end = time.monotonic() + seconds
    while _state(pid) not in ("", "Z", "X"):
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


# --- programs


@dataclass
class Finished:
    """A program that has ended; ``exit_code`` is negative for a signal, as in subprocess."""

    exit_code: int
    stdout: bytes
    stderr: str


@dataclass
class Observed(Finished):
    """A program that ended under ``workerstate run``; no document if nothing was recorded."""

    folder: Path
    document: dict[str, Any] = field(default_factory=dict)

    @property
    def workers(self) -> list[dict[str, Any]]:
        """The workers of the document."""
        return list(self.document["workers"])

    @property
    def tasks(self) -> list[dict[str, Any]]:
        """The tasks of all workers, each with its worker's pid."""
        return [{**task, "pid": w["pid"]} for w in self.workers for task in w["tasks"]]

    @property
    def codes(self) -> list[str]:
        """The code of each finding."""
        return [finding["code"] for finding in self.document["findings"]]

    @property
    def printed(self) -> Any:
        """What the program printed, as JSON."""
        return json.loads(self.stdout)


def environment(extra: dict[str, str] | None = None) -> dict[str, str]:
    """Give the environment for a program: this one without what would make Python unusual."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    if "PYTHONPATH" in os.environ:
        # Programs run in another folder.
        entries = os.environ["PYTHONPATH"].split(os.pathsep)
        kept["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, entries))
    return {**kept, "NO_COLOR": "1", **(extra or {})}


class Runner:
    """Runs programs, each in a session of its own and with a deadline."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.work = folder / "work"
        self.work.mkdir()
        self._runs = 0

    def command(self, program: str | Path | list[str]) -> list[str]:
        """Give what follows the interpreter.

        ``program`` is the source (it has a line break), the name of a file in ``programs``, a
        path, or the whole command. The same source always becomes the same file.
        """
        if isinstance(program, list):
            return program
        if isinstance(program, str) and "\n" in program:
            name = hashlib.sha1(program.encode()).hexdigest()[:8]
            path = self.folder / f"program_{name}.py"
            path.write_text(program)
            return [str(path)]
        return [str(PROGRAMS / program)]

    def plain(
        self,
        program: str | Path | list[str],
        *args: object,
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
        timeout: float = 60,
    ) -> Finished:
        """Run a program without us."""
        command = [sys.executable, *self.command(program), *map(str, args)]
        return self.finish(command, env=environment(env), cwd=cwd or self.work, timeout=timeout)

    def observed(
        self,
        program: str | Path | list[str],
        *args: object,
        options: tuple[str, ...] = (),
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
        timeout: float = 60,
    ) -> Observed:
        """Run a program under ``workerstate run`` with ``options``."""
        folder, document = self.new_run()
        command = [
            *(sys.executable, "-m", "workerstate", "run", "--json", str(document)),
            *("--output", str(folder), *options),
            *(*self.command(program), *map(str, args)),
        ]
        done = self.finish(command, env=environment(env), cwd=cwd or self.work, timeout=timeout)
        read = json.loads(document.read_text()) if document.exists() else {}
        return Observed(done.exit_code, done.stdout, done.stderr, folder, read)

    def new_run(self) -> tuple[Path, Path]:
        """Give names for a recording's folder and for its document."""
        self._runs += 1
        return self.folder / f"recording-{self._runs}", self.folder / f"document-{self._runs}.json"

    def cli(self, *args: object, cwd: Path | None = None, timeout: float = 60) -> Finished:
        """Run ``workerstate`` with ``args``."""
        command = [sys.executable, "-m", "workerstate", *map(str, args)]
        return self.finish(command, env=environment(), cwd=cwd or self.work, timeout=timeout)

    def finish(
        self, command: list[str], *, env: dict[str, str], cwd: Path, timeout: float
    ) -> Finished:
        """Run a command to its end; nothing that it started may go on."""
        before = living()
        out, err = self.folder / "stdout", self.folder / "stderr"
        with out.open("wb") as stdout, err.open("wb") as stderr:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                cwd=cwd,
                env=env,
                start_new_session=True,
            )
            try:
                process.wait(timeout)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                left_behind(before)
                said = err.read_text(errors="replace")[-3000:]
                pytest.fail(f"no end in {timeout} s: {' '.join(command)}\n{said}")
        if left := left_behind(before):
            pytest.fail(f"{' '.join(command)} left behind:\n{left}")
        return Finished(process.returncode, out.read_bytes(), err.read_text(errors="replace"))
