"""Starts a program under observation and waits for it.

The program is a child of its own interpreter with the caller's arguments, input and output; all
that differs is two environment variables, which its own children inherit.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workerstate.errors import UsageError
from workerstate.observe import declare, hook, leftover, rerun
from workerstate.observe.memory import MemoryWatch
from workerstate.values import Value

if TYPE_CHECKING:
    from collections.abc import Mapping

SHIM = Path(__file__).parent / "shim"
KEPT_RUNS = 20
_ROOM = 4000  # characters that a note takes at least
# What a terminal or a supervisor sends to end or to steer a program.
_PASSED_ON = ("SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGCONT")


class Run(Value):
    """How a program ended, and where its recording is.

    ``exit_code`` is the shell's: 128 + n where signal n ended the program.
    """

    exit_code: int
    folder: str


def observe(
    command: list[str],
    *,
    python: str | None = None,
    flags: list[str] | None = None,
    folder: str | None = None,
    env: Mapping[str, str] | None = None,
    cpus: int | None = None,
    values: bool = False,
    declared: str | None = None,
    sampled: bool = False,
    stdout: Any = None,
    stderr: Any = None,
    timeout: float | None = None,
    salt: str | None = None,
) -> Run:
    """Run ``python *flags *command`` and record each of its processes.

    Args:
        command: what follows the interpreter: ``["script.py", "arg"]`` or ``["-m", "module"]``.
        python: the interpreter; this one by default.
        flags: interpreter options that go before the command, such as ``-X dev``.
        folder: where the recording goes; a new folder below ``.workerstate`` by default.
        env: the environment, in place of this process's.
        cpus: make the program believe that the machine has so many processors.
        values: keep short values in the recording, not only names, counts and hashes.
        declared: what workers are to start with (see ``declare.setting``).
        sampled: keep a sample of the tasks and their results (see ``rerun``).
        stdout: as in subprocess.
        stderr: as in subprocess.
        timeout: seconds after which the program is killed, and its workers with it.
        salt: the key of the recording's hashes, in hex; a new one by default.

    Raises:
        UsageError: the interpreter or the folder can't be used.
        subprocess.TimeoutExpired: the program did not end in time; it has been killed.
    """
    place = new_folder(folder)
    if sampled:
        rerun.prepare(place)
    interpreter = python or sys.executable
    given = dict(os.environ if env is None else env)
    setting = "|".join(
        (
            str(hook.SCHEMA),
            salt or secrets.token_hex(8),
            "1" if values else "0",
            str(cpus or 0),
            place,
        )
    )
    surroundings = {
        **given,
        "PYTHONPATH": os.pathsep.join(filter(None, (str(SHIM), given.get("PYTHONPATH")))),
        hook.VARIABLE: setting,
    }
    if declared is not None:
        surroundings[declare.VARIABLE] = declared
    note = {
        "schema": hook.SCHEMA,
        "command": command,
        "python": interpreter,
        "started": time.time_ns(),
        "cpus": cpus or os.cpu_count(),
        "simulated_cpus": cpus,
        "pid": None,
    }
    _write_note(place, note)
    with _HandOn() as hand_on:
        try:
            process = subprocess.Popen(
                [interpreter, *(flags or []), *command],
                env=surroundings,
                stdout=stdout,
                stderr=stderr,
                # Descriptors that a supervisor handed us are meant for the program; ours are
                # closed at exec.
                close_fds=False,
            )
        except OSError as error:
            raise UsageError(f"can't start {interpreter}: {error.strerror}") from error
        hand_on.to(process)
        note["pid"] = process.pid
        _write_note(place, note)
        watch = MemoryWatch(place)
        try:
            status = _wait(process, watch, timeout)
        except subprocess.TimeoutExpired:
            leftover.end(place)
            raise
        finally:
            note.update(ended=time.time_ns(), exit=process.returncode, memory=watch.last)
            _write_note(place, note)
    return Run(status if status >= 0 else 128 - status, place)


def _wait(process: subprocess.Popen[bytes], watch: MemoryWatch, timeout: float | None) -> int:
    """Wait for the program, looking at the memory of its processes meanwhile."""
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        try:
            return process.wait(watch.interval)
        except subprocess.TimeoutExpired:
            watch.look()
        if deadline is not None and time.monotonic() > deadline:
            process.kill()
            process.wait()
            raise subprocess.TimeoutExpired(process.args, timeout or 0.0)


class _HandOn:
    """Hands on to the program, from before it starts until it has ended, what is meant for it.

    A handler of ours ends with the program's exec, so it starts with the caller's dispositions.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []
        self._before: dict[int, Any] = {}

    def __enter__(self) -> _HandOn:
        try:
            # The terminal sends Ctrl-C to the program as well: it decides what that means.
            self._take(signal.SIGINT, lambda number, frame: None)
            for name in _PASSED_ON:
                if hasattr(signal, name):
                    self._take(getattr(signal, name), self._pass_on)
        except ValueError:
            pass  # not the main thread: signals are the caller's affair
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def to(self, process: subprocess.Popen[bytes]) -> None:
        """Name the program's process; it gets what came before it was there."""
        self._process = process
        for number in self._early:
            process.send_signal(number)

    def _take(self, number: int, handler: Any) -> None:
        # What is ignored for us (nohup) is ignored for the program, which inherits that.
        if signal.getsignal(number) is not signal.SIG_IGN:
            self._before[number] = signal.signal(number, handler)

    def _pass_on(self, number: int, frame: object) -> None:
        if self._process is None:
            self._early.append(number)
        else:
            self._process.send_signal(number)


def new_folder(wanted: str | None) -> str:
    """Make the folder of a new recording, readable for its owner alone.

    Raises:
        UsageError: ``wanted`` can't be made, is not empty, or can't be written.
    """
    if wanted is not None:
        try:
            path = Path(wanted).absolute()
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if any(path.iterdir()):
                raise UsageError(f"{wanted} is not empty; give a new folder for the recording")
            (path / ".write").touch()
            (path / ".write").unlink()
        except OSError as error:
            raise UsageError(f"can't write a recording to {wanted}: {error.strerror}") from error
        return str(path)
    now = time.time_ns()
    moment = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now // 10**9))
    name = f"{moment}.{now // 1000 % 10**6:06d}Z-{secrets.token_hex(3)}"
    for root in recording_roots():
        try:
            root.mkdir(mode=0o700, exist_ok=True)
            (root / name).mkdir(mode=0o700)
            ignore = root / ".gitignore"
            if not ignore.exists():
                ignore.write_text("*\n")
        except OSError:
            continue
        _retire_old(root)
        return str(root / name)
    raise UsageError(
        "neither the current folder nor the temporary one can be written; "
        "give a folder for the recording with --output"
    )


def recording_roots() -> tuple[Path, ...]:
    """Give the folders that hold recordings, the one that is used first first."""
    user = str(os.getuid()) if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
    temporary = Path(tempfile.gettempdir()) / f"workerstate-{user}"
    try:
        return Path.cwd() / ".workerstate", temporary
    except OSError:  # the current folder has been deleted
        return (temporary,)


def _retire_old(root: Path) -> None:
    """Keep the newest recordings of a folder that is ours, and those that are being made."""
    import shutil

    runs = sorted(path for path in root.iterdir() if path.is_dir())
    for path in runs[:-KEPT_RUNS]:
        if not _is_running(path):
            shutil.rmtree(path, ignore_errors=True)


def _is_running(path: Path) -> bool:
    """Tell whether the program of a recording has not ended yet."""
    try:
        note = json.loads((path / "run.json").read_text())
        if "ended" in note:
            return False
        os.kill(note["pid"], 0)
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return True


def _write_note(place: str, note: dict[str, Any]) -> None:
    """Write what the launcher knows; a full disk must not cost the program's result."""
    path = Path(place, "run.json")
    temporary = path.with_suffix(".json.new")
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(json.dumps(note).ljust(_ROOM))
        temporary.replace(path)
    except OSError:
        _write_in_place(path, {**note, "memory": {}})


def _write_in_place(path: Path, note: dict[str, Any]) -> None:
    """Use the room that the first note took, on a disk that is full."""
    text = json.dumps(note).ljust(_ROOM).encode()
    try:
        path.with_suffix(".json.new").unlink(missing_ok=True)
        with open(path, "r+b") as file:
            if len(text) <= os.fstat(file.fileno()).st_size:
                file.write(text)
    except OSError:
        pass
