"""Starts a program under observation and waits for it.

The program is a child of its own interpreter with the caller's arguments, input and output; all
that differs is two environment variables, which its own children inherit.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workerstate.errors import UsageError
from workerstate.observe import declare, hook, leftover, rerun
from workerstate.observe.folders import new_folder
from workerstate.observe.memory import MemoryWatch
from workerstate.observe.note import Note
from workerstate.values import Value

if TYPE_CHECKING:
    from collections.abc import Mapping

SHIM = Path(__file__).parent / "shim"
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
    key = salt or secrets.token_hex(8)
    setting = f"{hook.SCHEMA}|{key}|{int(values)}|{cpus or 0}|{place}"
    surroundings = _surroundings(os.environ if env is None else env, setting, declared)
    note = Note(place, command=command, python=interpreter, cpus=cpus)
    with _HandOn() as hand_on:
        process = _start([interpreter, *(flags or []), *command], surroundings, stdout, stderr)
        hand_on.to(process)
        note.update(pid=process.pid)
        watch = MemoryWatch(place)
        try:
            status = _wait(process, watch, timeout)
        except subprocess.TimeoutExpired:
            leftover.end(place)
            raise
        finally:
            note.update(ended=time.time_ns(), exit=process.returncode, memory=watch.last)
    return Run(status if status >= 0 else 128 - status, place)


def _surroundings(env: Mapping[str, str], setting: str, declared: str | None) -> dict[str, str]:
    given = {**env, hook.VARIABLE: setting}
    path = (str(SHIM), given.get("PYTHONPATH"))
    given["PYTHONPATH"] = os.pathsep.join(filter(None, path))
    if declared is not None:
        given[declare.VARIABLE] = declared
    return given


def _start(
    command: list[str], surroundings: dict[str, str], stdout: Any, stderr: Any
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command,
            env=surroundings,
            stdout=stdout,
            stderr=stderr,
            # Descriptors that a supervisor handed us are meant for the program; ours are
            # closed at exec.
            close_fds=False,
        )
    except OSError as error:
        raise UsageError(f"can't start {command[0]}: {error.strerror}") from error


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
