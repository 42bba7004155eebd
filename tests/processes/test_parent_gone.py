"""Processes: whoever of parent, template and nursery is gone, the others end or go on."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys

import engine_tasks as tasks
import pytest

from harness import environment, until
from workerstate import Executor, TemplateError, WorkerDiedError, WorkerSpec

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
METHODS = ("template", "fork", "spawn", "forkserver", "loky")
WAYS = [*((each, "never") for each in METHODS), ("template", "task"), ("fork", "task")]
PROMISED = 1.0  # seconds in which all are to end when the parent was killed
LOAD = 10  # how many times slower this machine may be

PROGRAM = """
import os, signal, sys, time
from workerstate import Executor, WorkerSpec

def hang(path):
    open(path, "w").close()
    time.sleep(600)

def slow_start():
    open(sys.argv[4] + ".begun", "w").close()
    time.sleep(600)

if __name__ == "__main__":
    method, clean, state, path = sys.argv[1:]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job has none
    spec = WorkerSpec(initializer=slow_start if state == "starting" else None)
    pool = Executor(2, start_method=method, clean=clean, spec=spec)
    if state == "starting":
        pool.submit(abs, 1)
        time.sleep(600)
    print(pool.submit(abs, -1).result())
    if state == "forked" and os.fork() == 0:
        with open(path + ".tmp", "w") as file:
            file.write(str(os.getpid()))
        os.rename(path + ".tmp", path + ".begun")
        time.sleep(600)
    if state == "forked":
        time.sleep(600)
    if state == "idle":
        open(path + ".begun", "w").close()
        time.sleep(600)
    if state == "with":
        with pool:
            futures = [pool.submit(hang, path + ".begun") for _ in range(5)]
            futures[0].result()
    elif state == "map":
        list(pool.map(hang, [path + ".begun"] * 5))
    else:
        futures = [pool.submit(hang, path + ".begun") for _ in range(5)]
        futures[0].result()
"""


@pytest.fixture(params=WAYS, ids="-".join)
def way(request):
    if request.param[0] == "loky" and importlib.util.find_spec("loky") is None:
        pytest.skip("loky is not installed")
    return request.param


@pytest.fixture
def program(tmp_path):
    """Start the program in a session of its own; give it when it is where it is to be."""
    file = tmp_path / "program.py"
    file.write_text(PROGRAM)
    begun = tmp_path / "path.begun"
    started = []

    def start(way, state):
        command = [sys.executable, str(file), *way, state, str(tmp_path / "path")]
        process = subprocess.Popen(
            command,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        started.append(process)
        until(begun.exists, 30)
        return process

    yield start
    for each in started:
        try:
            os.killpg(each.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        each.communicate()


def session(leader):
    """Give the processes of a session that run."""
    found = []
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader and fields[0] not in "ZX":
            found.append(int(pid))
    return found


@pytest.mark.parametrize("state", ["idle", "busy", "starting"])
def test_all_end_when_the_parent_is_killed(way, state, program):
    """Template, nurseries and workers end by themselves, idle, busy or while they start."""
    process = program(way, state)
    assert len(session(process.pid)) > 1
    process.kill()
    process.wait()
    until(lambda: not session(process.pid), PROMISED * LOAD)


@pytest.mark.parametrize("clean", ["never", "task"])
def test_a_template_leaves_no_folder(clean, program, tmp_path, monkeypatch):
    """What workers told about their start goes with the template when the parent was killed."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    process = program(("template", clean), "idle")
    assert list(tmp_path.glob("workerstate-*"))
    process.kill()
    process.wait()
    until(lambda: not list(tmp_path.glob("workerstate-*")), PROMISED * LOAD)


@pytest.mark.parametrize("clean", ["never", "task"])
def test_a_template_ends_though_others_have_its_connections(clean, program, tmp_path):
    """A process that the parent has forked goes on, with all that was open; no worker does."""
    process = program(("template", clean), "forked")
    other = int((tmp_path / "path.begun").read_text())
    process.kill()
    process.wait()
    until(lambda: session(process.pid) == [other], PROMISED * LOAD)


@pytest.mark.parametrize("state", ["with", "busy", "map"])
def test_ctrl_c_ends_all_at_once(way, state, program):
    """One KeyboardInterrupt is shown, and nothing else; no task is waited for."""
    process = program(way, state)
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=30)
    text = told.decode()
    assert process.returncode == -signal.SIGINT
    assert text.count("KeyboardInterrupt") == 1
    assert text.count("Traceback") == 1
    assert text.rstrip().endswith("KeyboardInterrupt")
    until(lambda: not session(process.pid), PROMISED * LOAD)


def template_of(pool):
    return pool._engine.source._process.pid


@pytest.mark.parametrize("clean", ["never", "call", "task"])
def test_all_futures_fail_when_the_template_is_killed(clean, tmp_path):
    """Those that run and those that wait are told, and no task is taken any more."""
    with Executor(2, clean=clean, start_method="template") as pool:
        pool.submit(abs, -1).result(30)
        futures = [pool.submit(tasks.act, "hang") for _ in range(5)]
        os.kill(template_of(pool), signal.SIGKILL)
        for each in futures:
            with pytest.raises(TemplateError, match="template has ended, killed by signal 9"):
                each.result(30)
        with pytest.raises(TemplateError):
            pool.submit(abs, -1)


def test_a_nursery_that_is_killed_is_replaced(tmp_path):
    """The task that ran in it is told its death; the executor goes on."""
    with Executor(1, clean="task", start_method="template") as pool:
        for _ in range(2):
            pid = pool.submit(os.getpid).result(30)
            path = tmp_path / f"begun{pid}"
            future = pool.submit(tasks.touch_and_hang, str(path))
            until(path.exists, 20)
            os.kill(int(path.read_text()), signal.SIGKILL)
            with pytest.raises(WorkerDiedError, match=r"touch_and_hang.*SIGKILL"):
                future.result(30)
            assert pool.submit(abs, -1).result(30) == 1


@pytest.mark.parametrize("handler", ["hear", "bury", "_finish"])
def test_a_fault_in_the_thread_that_listens_is_no_silence(handler, monkeypatch):
    """If what takes in results fails, every future says so and nothing hangs."""
    with Executor(1, start_method="template") as pool:
        pool.submit(abs, -1).result(30)

        def fail(*args):
            raise LookupError("our own fault")

        monkeypatch.setattr(pool._engine.hearing, handler, fail)
        futures = [pool.submit(*call) for call in ((tasks.good, 1), (tasks.act, "kill"))]
        with pytest.raises(LookupError, match="our own fault"):
            futures[-1].result(30)
        with pytest.raises(LookupError):
            pool.submit(abs, -1)
        assert all(each.done() for each in futures)


def test_a_death_told_late_is_the_old_workers(monkeypatch):
    """News of a death that come when the slot has its next worker blame none of its tasks."""
    with Executor(1, start_method="template") as pool:
        pid = pool.submit(os.getpid).result(30)
        source, hearing = pool._engine.source, pool._engine.hearing
        old = source._workers[pid]
        pool.submit(tasks.act, "kill").exception(30)
        assert pool.submit(os.getpid).result(30) != pid
        source._died(pid, signal.SIGKILL)  # told again
        running = pool.submit(tasks.good, 3)
        hearing.bury(old, signal.SIGKILL)  # and its funeral
        assert running.result(30) == 9
        assert [pool.submit(tasks.good, n).result(30) for n in range(3)] == [0, 1, 4]


def test_a_death_of_one_call_does_not_reach_the_next():
    """With fresh workers for each call, the end of the last one's is not taken for this one's."""
    with Executor(2, clean="call", start_method="template", spec=WorkerSpec()) as pool:
        for _ in range(8):
            bad = pool.submit(tasks.act, "kill")
            good = pool.map(tasks.good, range(4))
            assert list(good) == [0, 1, 4, 9]
            with pytest.raises(WorkerDiedError, match="SIGKILL"):
                bad.result(30)
