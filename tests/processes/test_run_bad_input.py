"""`workerstate run` and `show` on bad input: a clear error or a right answer, and nothing lost."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from harness import environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from harness import Finished, Observed, Runner

POOL = (
    "import multiprocessing, os, sys\n"
    "def task(number): return number\n"
    "if __name__ == '__main__':\n"
    "    {before}\n"
    "    with multiprocessing.get_context('{method}').Pool(1) as pool:\n"
    "        print(pool.map(task, range(3), chunksize=1))\n"
    "        pool.close(); pool.join()\n"
    "    {after}\n"
    "    sys.exit(3)\n"
)


OURS = [sys.executable, "-m", "workerstate", "run"]


def pool(method: str = "fork", *, before: str = "pass", after: str = "pass") -> str:
    """Give a program with three tasks and exit code 3."""
    return POOL.format(method=method, before=before, after=after)


# --- commands that can't be carried out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run"], "Give a script"),
        (["run", "--"], "Give a script"),
        (["run", "no/such/script.py"], "no such script: no/such/script.py"),
        (["run", "-c"], "Give a script"),
        (["run", "--cpus", "0", "x.py"], "'0' is not a whole number"),
        (["run", "--cpus", "two", "x.py"], "'two' is not a whole number"),
        (["run", "--python", "/no/such/python", "-c", "pass"], "can't start /no/such/python"),
        (["run", "--carry", "loging", "-c", "pass"], "'loging' is not known"),
        (["run", "--json", "/no/such/folder/x.json", "-c", "pass"], "can't write /no/such/folder"),
        (["run", "--output", "/dev/null", "-c", "pass"], "can't write a recording to /dev/null"),
        (["run", "--output", "/dev/null/x", "-c", "pass"], "can't write a recording to /dev/null"),
        (["run", "--output", "/", "-c", "pass"], "/ is not empty"),
        (["show", "/no/such/folder"], "/no/such/folder is not a folder"),
        (["show", "/dev/null"], "/dev/null is not a folder"),
        (["show", "/"], "/ holds no recording"),
        (["rule", "WS999"], "no rule is called 'WS999'"),
        (["rule", "worker-dead"], "did you mean worker-died?"),
        (["nonsense"], "invalid choice: 'nonsense'"),
        ([], "VERB"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_refuses_what_it_cannot_do(arguments: list[str], words: str, runner: Runner) -> None:
    """Exit code 2, one sentence that names what is wrong, no traceback, nothing run."""
    done = runner.cli(*arguments)
    assert (done.exit_code, done.stdout) == (2, b"")
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_shows_no_recording_where_there_is_none(runner: Runner, tmp_path: Path) -> None:
    """`show last` says how to make a recording if there is none."""
    done = runner.finish(
        [sys.executable, "-m", "workerstate", "show", "last"],
        env=environment({"TMPDIR": str(tmp_path)}),
        cwd=tmp_path,
        timeout=60,
    )
    assert done.exit_code == 2
    assert "no recording here yet; make one with: workerstate run" in done.stderr


def test_shows_the_last_recording_again(runner: Runner, tmp_path: Path) -> None:
    """`show` and `show last` give the document of the run that began last, `show DIR` any."""
    for code in (4, 5):
        done = runner.cli("run", "-c", f"raise SystemExit({code})", cwd=tmp_path)
        assert done.exit_code == code
    (first, last) = sorted(path for path in (tmp_path / ".workerstate").iterdir() if path.is_dir())
    for arguments, code in (([], 5), (["last"], 5), ([first], 4), ([last], 5)):
        shown = runner.cli("show", *arguments, "--json", "-", cwd=tmp_path)
        assert json.loads(shown.stdout)["program"]["exit_code"] == code
        assert f"exit {code}" in runner.cli("show", *arguments, cwd=tmp_path).stderr


def test_refuses_a_recording_of_a_later_version(
    runner: Runner, run_observed: Callable[..., Observed]
) -> None:
    """A recording with another schema is refused, with both numbers."""
    folder = run_observed("pass\n").folder
    note = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**note, "schema": 99}))
    done = runner.cli("show", folder)
    assert done.exit_code == 2
    assert "another version of workerstate (schema 99, this one reads 1)" in done.stderr


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "\0\0\0", '{"schema": 1, "exi'])
def test_refuses_a_damaged_note(
    text: str, runner: Runner, run_observed: Callable[..., Observed]
) -> None:
    """A run.json that can't be read is an error that names the file."""
    folder = run_observed("pass\n").folder
    (folder / "run.json").write_text(text)
    done = runner.cli("show", folder)
    assert done.exit_code == 2
    assert f"{folder / 'run.json'} can't be read" in done.stderr


# --- programs that fail at once


@pytest.mark.parametrize(
    "command", [["-m", "no_such_module_anywhere"], ["-m", "json.no_such"], ["-c", "syntax error"]]
)
def test_what_python_refuses_is_refused_by_python(
    command: list[str],
    run_plain: Callable[..., Finished],
    run_observed: Callable[..., Observed],
) -> None:
    """A module that is not there and code that is no code fail as they do without us."""
    plain, seen = run_plain(command), run_observed(command)
    assert seen.exit_code == plain.exit_code
    assert seen.stderr.startswith(plain.stderr)


def test_hostile_names_come_through(
    tmp_path: Path, run_observed: Callable[..., Observed], run_plain: Callable[..., Finished]
) -> None:
    """A script, tasks and processes named with quotes, line breaks and surrogates are recorded."""
    script = tmp_path / 'a "b"\n\\c é \udcff.py'
    script.write_text(
        "import multiprocessing, sys\n"
        "def grüße(): pass\n"
        "if __name__ == '__main__':\n"
        "    context = multiprocessing.get_context('fork')\n"
        "    grüße.__qualname__ = 'q\"u\\n\\\\\\udcff\\U0001f600'\n"
        "    p = context.Process(target=grüße, name='na\"me\\n\\udcff'); p.start(); p.join()\n"
        "    print(p.exitcode, ascii(sys.argv))\n"
    )
    plain, seen = (run([str(script)], "ä\nß") for run in (run_plain, run_observed))
    assert (seen.stdout, seen.exit_code) == (plain.stdout, 0)
    (worker,) = seen.workers
    assert worker["name"] == 'na"me\n\udcff'
    assert worker["tasks"][0]["function"] == '__main__:q"u\n\\\udcff\U0001f600'


# --- programs that take away what we stand on

HARM = {
    "closes stdout": pool(after="sys.stdout.flush(); sys.stdout.close()"),
    "closes descriptor 1": pool(after="sys.stdout.flush(); os.close(1)"),
    "closes stderr": pool(after="sys.stderr.close(); os.close(2)"),
    "closes all files": pool(before="os.closerange(3, 4096)"),
    "closes all files, stdin too": pool(before="os.close(0); os.closerange(3, 4096)"),
    "changes directory": pool(before="os.chdir('/')"),
    "empties sys.path": pool(after="sys.path[:] = []"),
    "replaces os.environ": pool(before="os.environ = {}"),
    "forgets its modules": pool(after="sys.modules.clear()"),
    "replaces builtins": pool(after="import builtins; builtins.open = builtins.print = None"),
    "replaces os functions": pool(
        after="os.write = os.open = os.fstat = os.getpid = lambda *a, **k: 1 / 0; import colorsys"
    ),
    "sets a trace function": pool(before="sys.settrace(lambda *a: None)"),
    "sets a small recursion limit": pool(before="sys.setrecursionlimit(60 + len('x' * 100))"),
    "turns warnings into errors": pool(before="import warnings; warnings.simplefilter('error')"),
    "replaces its import system": pool(
        after="import importlib, _frozen_importlib; importlib.reload(importlib)"
    ),
}


@pytest.mark.parametrize("source", HARM.values(), ids=HARM)
def test_programs_result_survives(
    source: str, run_plain: Callable[..., Finished], run_observed: Callable[..., Observed]
) -> None:
    """What the program does to itself changes neither its result nor that its tasks are seen."""
    plain, seen = run_plain(source), run_observed(source)
    assert plain.stdout == b"[0, 1, 2]\n"
    assert (seen.stdout, seen.exit_code) == (plain.stdout, plain.exit_code)
    assert [task["function"] for task in seen.tasks] == ["__main__:task"] * 3
    assert seen.document["program"]["exit_code"] == plain.exit_code
    assert "Exception ignored" not in seen.stderr
    assert seen.stderr.startswith(plain.stderr)


def test_mocked_functions_are_not_called_by_us(run_observed: Callable[..., Observed]) -> None:
    """A program that replaces functions of os by mocks finds only its own calls in them."""
    seen = run_observed(
        "import os\n"
        "from unittest import mock\n"
        "names = ['write', 'open', 'close', 'fstat', 'getpid', 'getppid', 'dup2', 'sysconf']\n"
        "mocks = [mock.patch.object(os, name, wraps=getattr(os, name)).start() for name in names]\n"
        "import colorsys, sched\n"
        "calls = [(name, m.call_count) for name, m in zip(names, mocks) if m.call_count]\n"
        "mock.patch.stopall()\n"
        "print(calls)\n"
    )
    assert seen.stdout == b"[]\n"


def test_forks_from_a_thread(run_observed: Callable[..., Observed]) -> None:
    """Workers that are forked from a thread are recorded like others."""
    seen = run_observed(
        "import multiprocessing, os, threading\n"
        "def work(): pass\n"
        "def run():\n"
        "    pid = os.fork()\n"
        "    if pid == 0: os._exit(4)\n"
        "    os.waitpid(pid, 0)\n"
        "    p = multiprocessing.get_context('fork').Process(target=work); p.start(); p.join()\n"
        "threads = [threading.Thread(target=run) for _ in range(4)]\n"
        "for thread in threads: thread.start()\n"
        "for thread in threads: thread.join()\n"
    )
    assert seen.exit_code == 0
    ends = [(worker["backend"], worker["death"]["exit_code"]) for worker in seen.workers]
    assert sorted(ends) == [("multiprocessing", 0)] * 4 + [("os.fork", 4)] * 4
    assert seen.document["faults"] == []


def test_deleted_environment_is_said(run_observed: Callable[..., Observed]) -> None:
    """Who empties its environment keeps its forked workers' records; the others are counted."""
    seen = run_observed(
        "import multiprocessing, os, subprocess, sys\n"
        "def task(number): return number\n"
        "if __name__ == '__main__':\n"
        "    os.environ.clear()\n"
        "    for method in ('fork', 'spawn', 'forkserver'):\n"
        "        with multiprocessing.get_context(method).Pool(1) as pool:\n"
        "            print(pool.map(task, [1])); pool.close(); pool.join()\n"
        "    subprocess.run([sys.executable, '-c', 'print(2)'])\n"
        "    sys.exit(3)\n"
    )
    assert (sorted(seen.stdout.split()), seen.exit_code) == ([b"2", b"[1]", b"[1]", b"[1]"], 3)
    assert [worker["start_method"] for worker in seen.workers] == ["fork"]
    rows = {row["reason"]: row["count"] for row in seen.document["not_observed"]}
    assert rows == {"a Python child started with an emptied environment": 3}


def test_files_of_the_program_hold_nothing_of_ours(
    run_observed: Callable[..., Observed],
) -> None:
    """A program that closes all files and opens its own gets no line of the journal in them."""
    seen = run_observed(
        "import multiprocessing, os, tempfile\n"
        "def task(number):\n"
        "    os.closerange(30, 2000)\n"
        "    numbers = [os.dup(own.fileno()) for _ in range(1010)]\n"
        "    return number\n"
        "own = tempfile.TemporaryFile(buffering=0)\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.get_context('fork').Pool(1) as pool:\n"
        "        pool.map(task, range(3), chunksize=1); pool.close(); pool.join()\n"
        "    os.closerange(30, 2000)\n"
        "    numbers = [os.dup(own.fileno()) for _ in range(1010)]\n"
        "    import colorsys\n"
        "    print(os.fstat(own.fileno()).st_size)\n"
    )
    assert (seen.stdout, seen.exit_code) == (b"0\n", 0)
    assert len(seen.tasks) == 3


def test_ten_thousand_tasks(run_observed: Callable[..., Observed]) -> None:
    """Each of ten thousand tasks is recorded, and the summary stays short."""
    seen = run_observed(
        "import multiprocessing\n"
        "def task(number): return number\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.Pool(2) as pool:\n"
        "        print(sum(pool.map(task, range(10_000), chunksize=1)))\n"
        "        pool.close(); pool.join()\n"
    )
    assert seen.stdout == b"49995000\n"
    assert len(seen.tasks) == 10_000
    assert all(task["ok"] and task["call"] == 1 for task in seen.tasks)
    assert len(seen.stderr.splitlines()) < 40


# --- where nobody listens


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_cost_nothing(closed: str, runner: Runner) -> None:
    """Started without stdin, stdout or stderr we give the program's exit code and document."""
    folder, document = runner.new_run()
    ours = [*OURS, "--json", str(document), "--output", str(folder)]
    source = pool().replace("print(", "(")
    done = runner.finish(
        ["sh", "-c", f'exec "$@" {closed}', "sh", *ours, *runner.command(source)],
        env=environment(),
        cwd=runner.work,
        timeout=60,
    )
    assert done.exit_code == 3
    assert "Traceback" not in done.stderr
    read = json.loads(document.read_text())
    assert sum(len(worker["tasks"]) for worker in read["workers"]) == 3


@pytest.mark.parametrize("options", [[], ["-q"], ["--json", "-"]], ids=" ".join)
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_readers_that_have_gone_cost_nothing(
    stream: str, options: list[str], runner: Runner
) -> None:
    """If nobody reads our output any more, the exit code is the program's nevertheless."""
    folder, _ = runner.new_run()
    read, write = os.pipe()
    os.close(read)
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, stream: write}
    done = subprocess.run(
        [*OURS, *options, "--output", str(folder), "-c", "raise SystemExit(3)"],
        env=environment(),
        timeout=60,
        check=False,
        **streams,
    )
    os.close(write)
    assert done.returncode == 3
    assert b"Traceback" not in (done.stderr or b"") + (done.stdout or b"")


# --- folders and disks


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Give the function that mounts a small disk; skips where that can't be done."""
    mounted: list[Path] = []

    def mount(options: str) -> Path:
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=30)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("no disk can be mounted here")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", str(folder)], check=True, timeout=30)


def test_read_only_folder_is_refused(disk: Callable[[str], Path], runner: Runner) -> None:
    """A recording folder that can't be written is refused before the program runs."""
    folder = disk("ro")
    done = runner.cli("run", "--output", folder / "new", "-c", "print(1)")
    assert (done.exit_code, done.stdout) == (2, b"")
    assert f"can't write a recording to {folder / 'new'}: Read-only file system" in done.stderr


def test_read_only_current_folder_is_no_hindrance(
    disk: Callable[[str], Path], runner: Runner, tmp_path: Path
) -> None:
    """In a folder that can't be written the recording goes to the temporary one, and is found."""
    folder = disk("ro")
    env = environment({"TMPDIR": str(tmp_path)})
    ours = [sys.executable, "-m", "workerstate"]
    done = runner.finish([*ours, "run", "-c", "exit(3)"], env=env, cwd=folder, timeout=60)
    assert done.exit_code == 3
    shown = runner.finish([*ours, "show", "last"], env=env, cwd=folder, timeout=60)
    assert shown.exit_code == 0
    assert "exit 3" in shown.stderr


@pytest.mark.parametrize("size", ["0", "4k", "16k", "64k"])
def test_full_disk_costs_no_result(size: str, disk: Callable[[str], Path], runner: Runner) -> None:
    """On a disk that fills up the program's output and exit code stay, and the gap is said."""
    folder = disk(f"size={size}" if size != "0" else "size=4k")
    if size == "0":
        (folder / "filled").write_bytes(bytes(4096))
    source = pool().replace("range(3)", "[0] * 800").replace("print(pool", "print(len(pool")
    source = source.replace("chunksize=1))", "chunksize=1)))")
    done = runner.cli("run", "--output", folder / "new", *runner.command(source))
    assert (done.stdout, done.exit_code) == (b"800\n", 3)
    assert "Traceback" not in done.stderr
    if size == "0":
        assert "a journal without its first line (the disk full?)" in done.stderr
    else:
        assert "not observed" in done.stderr
        assert "disk" in done.stderr
        shown = runner.cli("show", folder / "new", "--json", "-")
        assert json.loads(shown.stdout)["program"]["exit_code"] == 3


def test_disk_that_is_full_for_a_while(disk: Callable[[str], Path], runner: Runner) -> None:
    """Lines that a full disk refused are counted once there is room again, and tasks go on."""
    folder = disk("size=300k")
    source = (
        "import multiprocessing, os, sys\n"
        "def task(number):\n"
        "    if number == 100:\n"
        "        with open(sys.argv[1], 'wb', buffering=0) as file:\n"
        "            try:\n"
        "                while True: file.write(bytes(4096))\n"
        "            except OSError: pass\n"
        "    if number == 300: os.unlink(sys.argv[1])\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.get_context('fork').Pool(1) as pool:\n"
        "        pool.map(task, range(400), chunksize=1); pool.close(); pool.join()\n"
    )
    filler = str(folder / "filler")
    document = runner.folder / "for-a-while.json"
    options = ["--output", folder / "new", "--json", document]
    done = runner.cli("run", *options, *runner.command(source), filler)
    assert done.exit_code == 0, done.stderr
    found = json.loads(document.read_text())
    rows = {row["reason"]: row["count"] for row in found["not_observed"]}
    assert rows["lines that could not be written (the recording's disk is full?)"] > 100
    (worker,) = found["workers"]
    assert 150 < len(worker["tasks"]) < 400
    assert worker["tasks"][-1]["ok"]
    assert worker["death"]["task"] is None


def test_document_that_does_not_fit_is_said(disk: Callable[[str], Path], runner: Runner) -> None:
    """A --json file on a full disk is an error; the program's exit code stays."""
    folder = disk("size=4k")
    (folder / "filled").write_bytes(bytes(4096))
    recording, _ = runner.new_run()
    target = folder / "x.json"
    done = runner.cli("run", "--json", target, "--output", recording, "-c", "exit(3)")
    assert done.exit_code == 3
    assert f"can't write {target}: No space left on device" in done.stderr


def test_limit_on_file_sizes(runner: Runner) -> None:
    """A limit on the size of files ends neither the program nor its workers."""
    folder, _ = runner.new_run()
    source = pool().replace("range(3)", "[0] * 400").replace("print(pool", "print(len(pool")
    source = source.replace("chunksize=1))", "chunksize=1)))")
    done = subprocess.run(
        [*OURS, "--output", str(folder), *runner.command(source)],
        env=environment(),
        capture_output=True,
        timeout=60,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192)),
    )
    assert (done.stdout, done.returncode) == (b"400\n", 3)
    assert b"a journal with a line that is cut" in done.stderr


TAKEN_AWAY = {
    "the recording": "shutil.rmtree(os.environ['WORKERSTATE_RUN'].split('|')[4])",
    "the current folder": "os.chdir('/'); shutil.rmtree(folder)",
}


@pytest.mark.parametrize("what", TAKEN_AWAY)
def test_deleted_recording_costs_no_result(what: str, runner: Runner, tmp_path: Path) -> None:
    """A program that deletes the recording, or the folder it is in, keeps its result."""
    folder = tmp_path / "work"
    folder.mkdir()
    action = f"import shutil; folder = os.getcwd(); {TAKEN_AWAY[what]}"
    done = runner.cli("run", *runner.command(pool(before=action)), cwd=folder)
    assert (done.stdout, done.exit_code) == (b"[0, 1, 2]\n", 3)
    assert "is not a folder" in done.stderr
    assert "Traceback" not in done.stderr


def test_current_folder_that_is_gone(runner: Runner, tmp_path: Path) -> None:
    """Started in a folder that has been deleted, we run the program and record elsewhere."""
    folder = tmp_path / "gone"
    folder.mkdir()
    ours = [*OURS, "-c", "exit(3)"]
    done = runner.finish(
        ["sh", "-c", f'rmdir "{folder}" && exec "$@"', "sh", *ours],
        env=environment({"TMPDIR": str(tmp_path)}),
        cwd=folder,
        timeout=60,
    )
    assert done.exit_code == 3
    assert str(tmp_path) in "".join(done.stderr.split())


def test_relative_folder_is_the_callers(runner: Runner, tmp_path: Path) -> None:
    """--output and --json are relative to where we were started, wherever the program goes."""
    source = pool(before="os.chdir('/')")
    done = runner.cli(
        *("run", "--output", "rec", "--json", "doc.json"), *runner.command(source), cwd=tmp_path
    )
    assert done.exit_code == 3
    read = json.loads((tmp_path / "doc.json").read_text())
    assert sum(len(worker["tasks"]) for worker in read["workers"]) == 3
    assert (tmp_path / "rec").stat().st_mode & 0o777 == 0o700


def test_old_recordings_are_retired_but_not_the_running_one(runner: Runner, tmp_path: Path) -> None:
    """Beyond twenty recordings the oldest go; a program that still runs keeps its own."""
    ours = [*OURS, "-q"]
    source = "print('ready', flush=True); input()"
    with subprocess.Popen(
        [*ours, "-c", source],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(),
        cwd=tmp_path,
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"ready\n"
        (first,) = (path for path in (tmp_path / ".workerstate").iterdir() if path.is_dir())
        for number in range(22):
            # As old recordings look; a name sorts by its time.
            old = tmp_path / ".workerstate" / f"19990101T000000.{number:06d}Z-aaaaaa"
            old.mkdir()
            (old / "run.json").write_text('{"schema": 1, "pid": 1, "ended": 1}')
        later = tmp_path / ".workerstate" / "29990101T000000.000000Z-aaaaaa"
        for number in range(20):
            later.with_name(f"29990101T000000.{number:06d}Z-aaaaaa").mkdir()
        assert runner.cli("run", "-q", "-c", "pass", cwd=tmp_path).exit_code == 0
        left = sorted(path.name for path in (tmp_path / ".workerstate").iterdir() if path.is_dir())
        running.communicate(b"\n", timeout=60)
    assert running.returncode == 0
    assert first.name in left
    assert not [name for name in left if name.startswith("1999")]
