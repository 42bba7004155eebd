"""`workerstate run` changes nothing of the program: output, errors, exit, signals, surroundings."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

import pytest

from harness import environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from harness import Finished, Observed, Runner

    Pair = tuple[Finished, Observed]

DEADLINE = 60.0
# Python 3.15 says this where it sees the exit code in time.
ABRUPT_END = (
    r"concurrent.futures.process._RemoteTraceback: \n'''\n"
    r"Process \d+ terminated abruptly with exit code \d+'''\n\n.*\n\n"
)


def errors(text: str) -> str:
    """Give what the program wrote to stderr, without what differs with every run."""
    program = re.split(r"^workerstate: \d+ worker", text, maxsplit=1, flags=re.MULTILINE)[0]
    program = re.sub(r"0x[0-9a-f]+", "0x...", program)
    # A result that is there already is given by another line than one that is waited for.
    program = re.sub(r"(futures/_base.py\", line )\d+", r"\1...", program)
    program = re.sub(ABRUPT_END, "", program)
    # What loky's tracker finds of a worker that was killed while it made a semaphore.
    program = re.sub(r".*resource_tracker.*: UserWarning: .*\n  warnings\.warn\(.*\n", "", program)
    return re.sub(r"\b(pid=|PID )\d+", r"\1...", program)


def shell_code(status: int) -> int:
    """Give the exit code of a shell for a status of subprocess."""
    return status if status >= 0 else 128 - status


# --- faults in workers


FAULTS = [
    ("multiprocessing", "fork"),
    ("multiprocessing", "spawn"),
    ("multiprocessing", "forkserver"),
    ("loky",),
    ("joblib",),
]


@pytest.fixture(scope="module", params=FAULTS, ids=" ".join)
def faults(
    request: pytest.FixtureRequest,
    run_plain: Callable[..., Finished],
    run_observed: Callable[..., Observed],
) -> Pair:
    """Every fault of ``programs/faults.py``, without us and observed."""
    arguments = request.param
    if arguments[0] in ("loky", "joblib"):
        pytest.importorskip(arguments[0])
    return run_plain("faults.py", *arguments), run_observed("faults.py", *arguments)


def test_faulty_workers_print_the_same(faults: Pair) -> None:
    """What tasks, initializers and targets that fail bring to stdout stays as it is."""
    plain, seen = faults
    assert b"## " in plain.stdout
    assert re.sub(rb"0x[0-9a-f]+", b"", seen.stdout) == re.sub(rb"0x[0-9a-f]+", b"", plain.stdout)
    assert seen.exit_code == plain.exit_code == 0


def test_tracebacks_have_no_line_of_ours(faults: Pair) -> None:
    """Each traceback is the one without us: tasks, pickling, initializers, imports, targets."""
    plain, seen = faults
    assert "Traceback" in plain.stderr
    assert errors(seen.stderr) == errors(plain.stderr)


# --- exits


EXITS = {
    "end": "print('fine')",
    "exit 3": "raise SystemExit(3)",
    "exit with text": "import sys; print('out'); sys.exit('a text of its own')",
    "raise": "def f():\n    raise ValueError('wrong')\nprint('out')\nf()",
    "import what is not there": "print('out')\nfrom json import nothing_of_that_name",
    "syntax error": "def f(:\n    pass",
    "os._exit": "import os; print('lost'); os._exit(9)",
    "abort": "import os; os.abort()",
    "SIGKILL": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "SIGTERM": "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
    "KeyboardInterrupt": "raise KeyboardInterrupt",
    "bytes": "import sys; sys.stdout.buffer.write(bytes(range(256)) * 2000)",
    "exit in atexit": "import atexit, os; atexit.register(os._exit, 4); print('out', flush=True)",
    "thread raises": (
        "import threading\n"
        "t = threading.Thread(target=lambda: 1 / 0, name='t'); t.start(); t.join()"
    ),
    "own excepthook": "import sys; sys.excepthook = lambda *a: print('mine', a[1])\n1 / 0",
}


@pytest.mark.parametrize("source", EXITS.values(), ids=EXITS)
def test_result_is_the_programs_own(
    source: str, run_plain: Callable[..., Finished], run_observed: Callable[..., Observed]
) -> None:
    """Exit code (128 + n for a signal), stdout to the byte, and stderr are the program's."""
    plain, seen = run_plain(source + "\n"), run_observed(source + "\n")
    assert seen.exit_code == shell_code(plain.exit_code)
    assert seen.stdout == plain.stdout
    assert errors(seen.stderr) == errors(plain.stderr)
    program = seen.document["program"]
    assert program["exit_code"] == seen.exit_code
    killed = signal.Signals(-plain.exit_code).name if plain.exit_code < 0 else None
    assert program["signal"] == killed


# --- surroundings


def test_program_sees_the_same_surroundings(
    run_plain: Callable[..., Finished], run_observed: Callable[..., Observed]
) -> None:
    """argv, sys.path, flags, environment, signals, threads and files are as without us."""
    arguments = ("spawn", "--json", "x", "-q", "--values", "-m", "--", "--output=y")
    plain = json.loads(run_plain("surroundings.py", *arguments).stdout)
    seen = run_observed("surroundings.py", *arguments).printed
    for process in ("program", "worker"):
        for name, value in plain[process].items():
            assert seen[process][name] == value, (process, name)


def test_interpreter_options_are_kept(runner: Runner) -> None:
    """The options that our interpreter was given are the program's."""
    source = "import sys; print([*sys.flags], sys.warnoptions, sys._xoptions)\n"
    options = ["-O", "-X", "dev", "-W", "error::UserWarning", "-b"]
    plain = subprocess.run(
        [sys.executable, *options, *runner.command(source)],
        stdout=subprocess.PIPE,
        env=environment(),
        timeout=DEADLINE,
        check=True,
    )
    folder, _ = runner.new_run()
    ours = [*options, "-m", "workerstate", "run", "--output", str(folder)]
    seen = runner.finish(
        [sys.executable, *ours, *runner.command(source)],
        env=environment(),
        cwd=runner.work,
        timeout=DEADLINE,
    )
    assert seen.stdout == plain.stdout


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a package that can be run, and one of the user's own on PYTHONPATH."""
    folder = tmp_path_factory.mktemp("package")
    (folder / "tool").mkdir()
    (folder / "tool" / "__init__.py").touch()
    (folder / "tool" / "part.py").write_text("NAME = 'part'\n")
    (folder / "tool" / "__main__.py").write_text(
        "import sys\n"
        "from .part import NAME\n"
        "print(NAME, __name__, __spec__.name, __file__, sys.argv, sys.path)\n"
    )
    return folder


@pytest.mark.parametrize(
    "command",
    [
        ["-m", "tool", "-q", "--json", "a b"],
        ["-m", "tool.__main__", "-c"],
        ["-c", "import sys; print(__name__, sys.argv, sys.path)", "-m", "--values"],
        ["tool", "argument"],
    ],
    ids=["module", "submodule", "code", "folder"],
)
def test_runs_modules_code_and_folders(
    command: list[str],
    package: Path,
    run_plain: Callable[..., Finished],
    run_observed: Callable[..., Observed],
) -> None:
    """-m, -c and a folder with __main__.py run as Python runs them, with their arguments."""
    if command[0] == "tool":  # run as a folder it has no parent package
        (package / "script").mkdir(exist_ok=True)
        (package / "script" / "__main__.py").write_text("import sys; print(sys.argv, __file__)\n")
        command = ["script", "argument"]
    plain, seen = run_plain(command, cwd=package), run_observed(command, cwd=package)
    assert plain.exit_code == 0
    assert plain.stdout
    assert (seen.stdout, seen.exit_code) == (plain.stdout, 0)


def test_standard_input_and_open_files_reach_the_program(runner: Runner) -> None:
    """What is piped in is the program's, and so is a descriptor that the caller hands over."""
    source = "import os, sys; os.write(int(sys.argv[1]), sys.stdin.buffer.read()[::-1])\n"
    folder, _ = runner.new_run()
    read, write = os.pipe()
    ours = [sys.executable, "-m", "workerstate", "run", "--output", str(folder)]
    with os.fdopen(read, "rb") as reader:
        try:
            subprocess.run(
                [*ours, *runner.command(source), str(write)],
                input=b"abc\0def",
                pass_fds=[write],
                env=environment(),
                timeout=DEADLINE,
                check=True,
                stderr=subprocess.DEVNULL,
            )
        finally:
            os.close(write)
        assert reader.read() == b"fed\0cba"


# --- the user's own sitecustomize and PYTHONPATH


def test_users_sitecustomize_runs(
    tmp_path: Path, run_plain: Callable[..., Finished], run_observed: Callable[..., Observed]
) -> None:
    """The sitecustomize that our shim hides runs in the program and in its workers."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\nsys.custom = __file__\nprint('customized', flush=True)\n"
    )
    (tmp_path / "usercustomize.py").write_text("import sys\nsys.user = __file__\n")
    source = (
        "import multiprocessing, sys\n"
        "def show(): print(sys.custom, sys.modules['sitecustomize'].__file__, sys.path)\n"
        "if __name__ == '__main__':\n"
        "    show(); sys.stdout.flush()\n"
        "    p = multiprocessing.get_context('spawn').Process(target=show); p.start(); p.join()\n"
    )
    path = os.pathsep.join([str(tmp_path), environment().get("PYTHONPATH", "")])
    plain, seen = (run(source, env={"PYTHONPATH": path}) for run in (run_plain, run_observed))
    assert plain.stdout.count(b"customized") > 1
    # `workerstate run` itself is one more interpreter, which greets once.
    assert seen.stdout == b"customized\n" + plain.stdout
    assert [worker["start_method"] for worker in seen.workers] == ["spawn"]


def test_failing_sitecustomize_fails_as_before(
    tmp_path: Path, run_plain: Callable[..., Finished], run_observed: Callable[..., Observed]
) -> None:
    """A sitecustomize that raises is reported by Python as without us, and all goes on."""
    (tmp_path / "sitecustomize.py").write_text("raise RuntimeError('my own trouble')\n")
    path = os.pathsep.join([str(tmp_path), environment().get("PYTHONPATH", "")])
    plain, seen = (
        run("print('fine')\n", env={"PYTHONPATH": path}) for run in (run_plain, run_observed)
    )
    assert seen.stdout == plain.stdout == b"fine\n"
    assert plain.stderr.count("my own trouble") == 1
    assert errors(seen.stderr) == plain.stderr * 2  # once for `workerstate run` itself
    assert seen.document["program"]["observed"]


# --- signals


class Running(NamedTuple):
    """A program under `workerstate run` that has said ``ready``."""

    process: subprocess.Popen[bytes]
    document: Path

    def rest(self) -> tuple[bytes, str, int]:
        """Wait for its end; give stdout, stderr and exit code."""
        out, err = self.process.communicate(timeout=DEADLINE)
        return out, err.decode(), self.process.returncode


# Written without the buffer, where a handler might find it in use.
WAIT = "import os, time\nos.write(1, b'ready\\n')\nwhile True:\n    time.sleep(0.05)\n"


def _signals_as_in_a_terminal(ignored: int | None) -> None:
    # Whoever runs the tests in the background (nohup) has them ignore what a terminal sends.
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    if ignored is not None:
        signal.signal(ignored, signal.SIG_IGN)


@pytest.fixture
def running(runner: Runner) -> Iterator[Callable[..., Running]]:
    """Give the function that starts a program and waits until it is ready."""
    started: list[subprocess.Popen[bytes]] = []

    def start(source: str, *, ignored: int | None = None) -> Running:
        folder, document = runner.new_run()
        command = [sys.executable, "-m", "workerstate", "run", "--json", str(document)]
        process = subprocess.Popen(
            [*command, "--output", str(folder), *runner.command(source)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
            start_new_session=True,
            preexec_fn=lambda: _signals_as_in_a_terminal(ignored),
        )
        started.append(process)
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], DEADLINE)[0], "no word in time"
        assert process.stdout.readline() == b"ready\n"
        return Running(process, document)

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGQUIT"])
def test_signals_reach_the_program(name: str, running: Callable[..., Running]) -> None:
    """A signal to `workerstate run` is the program's to handle, and its exit code is ours."""
    source = (
        "import signal, sys\n"
        "def handle(number, frame):\n"
        "    print('got', signal.Signals(number).name, flush=True)\n"
        "    sys.exit(5)\n"
        f"signal.signal(signal.{name}, handle)\n{WAIT}"
    )
    program = running(source)
    program.process.send_signal(getattr(signal, name))
    out, err, code = program.rest()
    assert (out.decode(), code) == (f"got {name}\n", 5), err
    assert json.loads(program.document.read_text())["program"]["exit_code"] == 5


def test_termination_ends_the_program_as_before(running: Callable[..., Running]) -> None:
    """A program without handler dies of SIGTERM: exit code 143, and the recording is whole."""
    program = running(WAIT)
    program.process.send_signal(signal.SIGTERM)
    _, err, code = program.rest()
    assert code == 143
    assert "SIGTERM (exit 143)" in err
    assert json.loads(program.document.read_text())["program"]["signal"] == "SIGTERM"


def test_interrupt_is_the_programs_to_handle(running: Callable[..., Running]) -> None:
    """Ctrl-C gives the program its KeyboardInterrupt, once, and we wait for what it does then."""
    source = (
        "import sys, time\n"
        "try:\n"
        "    print('ready', flush=True)\n"
        "    while True:\n"
        "        time.sleep(0.05)\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted', flush=True)\n"
        "    sys.exit(7)\n"
    )
    program = running(source)
    os.killpg(program.process.pid, signal.SIGINT)
    out, err, code = program.rest()
    assert (out, code) == (b"interrupted\n", 7)
    assert "Traceback" not in err
    assert json.loads(program.document.read_text())["program"]["exit_code"] == 7


def test_uncaught_interrupt_ends_the_program_as_before(running: Callable[..., Running]) -> None:
    """An uncaught Ctrl-C shows the program's traceback alone and gives exit code 130."""
    program = running(WAIT)
    os.killpg(program.process.pid, signal.SIGINT)
    _, err, code = program.rest()
    assert code == 130
    assert err.count("KeyboardInterrupt") == 1
    assert "SIGINT (exit 130)" in err
    assert "launch.py" not in err


def test_ignored_signals_stay_ignored(running: Callable[..., Running]) -> None:
    """What nohup did for us it did for the program: SIGHUP stays ignored."""
    source = (
        "import signal\nsignal.signal(signal.SIGUSR1, lambda *_: exit(6))\n"
        f"assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN\n{WAIT}"
    )
    program = running(source, ignored=signal.SIGHUP)
    program.process.send_signal(signal.SIGHUP)
    program.process.send_signal(signal.SIGUSR1)
    assert program.rest()[2] == 6


def test_stops_waiting_when_the_program_ends(run_observed: Callable[..., Observed]) -> None:
    """A program that ends is not waited for longer than it lasts, although it leaves a child."""
    source = (
        "import subprocess, sys\n"
        "subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE)\n"
    )
    start = time.monotonic()
    seen = run_observed(source, timeout=20)
    assert seen.exit_code == 0
    assert time.monotonic() - start < 15
