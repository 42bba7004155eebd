"""Processes: whatever signals, files, limits and users the program has, its tasks are run."""

from __future__ import annotations

import os
import signal
import sys
import time

import engine_tasks as tasks
import odd_tasks as odd
import pytest

from harness import environment, unreaped
from workerstate import Executor, WorkerDiedError, WorkerSpec

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
QUICK = [("template", "never"), ("template", "task"), ("fork", "never"), ("fork", "task")]


# --- signals


@pytest.fixture
def children_ignored():
    usual = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGCHLD, usual)


def check_deaths(pool):
    assert list(pool.map(tasks.good, range(4))) == [0, 1, 4, 9]
    with pytest.raises(WorkerDiedError, match="exit code 3"):
        pool.submit(tasks.act, "_exit").result(20)
    assert pool.submit(tasks.good, 5).result(20) == 25


@pytest.mark.parametrize("clean", ["never", "task"])
@pytest.mark.parametrize("carry", [[], ["signals"]], ids=["here", "carried"])
def test_the_program_may_ignore_the_ends_of_children(clean, carry, children_ignored):
    """Where SIGCHLD is ignored, in the parent or in workers too, deaths are told and replaced."""
    with Executor(2, clean=clean, spec=WorkerSpec(carry=carry), start_method="template") as pool:
        check_deaths(pool)
        assert pool.submit(odd.way_with_children).result(20) == signal.SIG_IGN


@pytest.mark.parametrize("clean", ["never", "task"])
@pytest.mark.parametrize("initializer", [odd.ignore_children, odd.reap_children])
def test_an_initializer_may_look_after_children(clean, initializer):
    """Who ignores SIGCHLD, or waits for any child, does so in workers, not in the template."""
    spec = WorkerSpec(initializer=initializer)
    with Executor(2, clean=clean, spec=spec, start_method="template") as pool:
        check_deaths(pool)
        assert pool.submit(odd.way_with_children).result(20) in (signal.SIG_IGN, "_reap")


def test_a_time_limit_of_the_initializers_is_kept():
    """The way that it has with SIGALRM is found by each task with a fresh worker."""
    spec = WorkerSpec(initializer=odd.limit_tasks)
    with Executor(1, clean="task", spec=spec, start_method="template") as pool:
        for _ in range(3):
            with pytest.raises(TimeoutError, match="the initializer's own limit"):
                pool.submit(odd.run_long).result(20)


INTERRUPTED = """
import multiprocessing.process, os, signal, sys
from workerstate import Executor
def start(self):
    usual(self)
    os.kill(os.getpid(), signal.SIGINT)
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job has none
    usual = multiprocessing.process.BaseProcess.start
    multiprocessing.process.BaseProcess.start = start
    with Executor(2, start_method=sys.argv[1], clean=sys.argv[2]) as pool:
        pool.submit(abs, -1).result(20)
"""


@pytest.mark.parametrize("clean", ["never", "task"])
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_ctrl_c_while_a_worker_starts_ends_all(method, clean, run_plain):
    """The worker that has just been started is not waited for, nor left."""
    done = run_plain(INTERRUPTED, method, clean)
    assert done.exit_code == -signal.SIGINT
    assert done.stderr.count("KeyboardInterrupt") == done.stderr.count("Traceback") == 1


CAUGHT = """
import os, signal, subprocess
from workerstate import Executor
class Interrupted(subprocess.Popen):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGINT)
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    usual, subprocess.Popen = subprocess.Popen, Interrupted
    try:
        Executor(2, start_method="template")
    except KeyboardInterrupt:
        with open(f"/proc/self/task/{os.getpid()}/children") as file:
            print("interrupted", file.read())
    subprocess.Popen = usual
    with Executor(2, start_method="template") as pool:
        print(pool.submit(abs, -1).result(20))
"""


def test_ctrl_c_while_a_template_starts_ends_it(run_plain):
    """A program that goes on after Ctrl-C has no template that it doesn't know of."""
    done = run_plain(CAUGHT)
    assert (done.stdout, done.stderr) == (b"interrupted \n1\n", "")


# --- files and folders


ALL_CLOSED = """
import os, sys
from workerstate import Executor

def closes_all():
    os.closerange(3, 1024)

if __name__ == "__main__":
    for clean in ("never", "task"):
        with Executor(1, start_method=sys.argv[1], clean=clean) as pool:
            print(type(pool.submit(closes_all).exception(20)).__name__)
            print(pool.submit(abs, -1).result(20))
"""


def test_a_task_may_close_all_files(method, run_plain):
    """Its worker has lost its connection: the task says so, the next one runs in another."""
    done = run_plain(ALL_CLOSED, method)
    assert done.stdout.split() == [b"WorkerDiedError", b"1"] * 2
    assert (done.exit_code, done.stderr) == (0, "")


CLOSED = """
import os, pickle, sys
from workerstate import Executor

def print_beside(buffer):
    os.system("echo this is not for the memory of tasks")
    return sum(bytes(buffer)), bytes(1 << 20)

if __name__ == "__main__":
    with Executor(1, start_method=sys.argv[1], clean=sys.argv[2]) as pool:
        zeros = pickle.PickleBuffer(bytes(1 << 20))
        total, result = pool.submit(print_beside, zeros).result(20)
        os.write(2, f"[{total}, {len(result)}]".encode())
"""


@pytest.mark.parametrize("clean", ["never", "task"])
@pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&-"])
def test_standard_streams_may_be_closed(clean, closed, runner):
    """What a task prints then goes nowhere: not into the memory that is shared with workers."""
    shell = ["/bin/sh", "-c", f'exec "$0" "$@" {closed}', sys.executable]
    command = [*shell, *runner.command(CLOSED), "template", clean]
    done = runner.finish(command, env=environment(), cwd=runner.work, timeout=60)
    assert (done.exit_code, done.stderr.rpartition("\n")[2]) == (0, "[0, 1048576]")


PATHS = """
import os, pathlib, sys
from workerstate import Executor
if __name__ == "__main__":
    if sys.argv[1] == "removed":
        sys.path.insert(0, "")
        os.rmdir(os.getcwd())
    else:
        sys.path.append(pathlib.Path("/nowhere"))
    with Executor(1, start_method="template") as pool:
        print(pool.submit(abs, -1).result(20))
"""


NO_FOLDER = pytest.mark.skipif(
    (3, 13) <= sys.version_info < (3, 13, 3), reason="no import socket there: cpython#130932"
)


@pytest.mark.parametrize("what", [pytest.param("removed", marks=NO_FOLDER), "object"])
def test_paths_may_lead_nowhere(what, run_plain, tmp_path):
    """The current folder may have been removed, and what is no text may stand in sys.path."""
    folder = tmp_path / "folder"
    folder.mkdir()
    done = run_plain(PATHS, what, cwd=folder)
    assert (done.stdout, done.stderr) == (b"1\n", "")


PLAIN = """
import sys
from workerstate import Executor
if __name__ == "__main__":
    with Executor(1, start_method=sys.argv[1], clean=sys.argv[2]) as pool:
        print(pool.submit(abs, -1).result(20))
"""


@pytest.mark.parametrize("clean", ["never", "task"])
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_no_worker_leaves_a_socket_to_the_collector(method, clean, runner):
    """Python's development mode, which shows what nobody has closed, shows nothing of that."""
    done = runner.plain(["-X", "dev", *runner.command(PLAIN)], method, clean)
    assert done.stdout == b"1\n"
    assert "ResourceWarning" not in done.stderr


# --- limits


LIMITED = """
import os, resource, sys
from workerstate import Executor
if __name__ == "__main__":
    limit = {"files": resource.RLIMIT_FSIZE, "memory": resource.RLIMIT_AS}[sys.argv[3]]
    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    most = {"files": 1 << 20, "memory": used + (200 << 20)}[sys.argv[3]]
    resource.setrlimit(limit, (most, most))
    with Executor(1, start_method=sys.argv[1], clean=sys.argv[2]) as pool:
        futures = [pool.submit(bytes.upper, bytes(200_000)) for _ in range(6)]
        print({len(each.result(20)) for each in futures})
"""


@pytest.mark.parametrize("what", ["files", "memory"])
@pytest.mark.parametrize(("method", "clean"), QUICK)
def test_files_and_memory_may_be_limited(method, clean, what, run_plain):
    """What is big comes and goes though no file may be as long, or mapped whole, as ours is."""
    done = run_plain(LIMITED, method, clean, what)
    assert done.stdout == b"{200000}\n", done.stderr


SPENT = """
import os, resource, sys
from workerstate import Executor
if __name__ == "__main__":
    usual = resource.getrlimit(resource.RLIMIT_NOFILE)
    with Executor(1, start_method=sys.argv[1], clean=sys.argv[2]) as pool:
        print(pool.submit(abs, -1).result(20))
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, usual[1]))
        call = (abs, -1) if sys.argv[2] == "task" else (os._exit, 3)
        try:
            for _ in range(20):
                pool.submit(*call).exception(8)
        except Exception as error:
            print(type(error).__name__, "ulimit -n" in str(error))
        resource.setrlimit(resource.RLIMIT_NOFILE, usual)
"""


@pytest.mark.parametrize(("method", "clean"), QUICK[:3])
def test_a_program_out_of_descriptors_is_told(method, clean, run_plain):
    """Where it can have no more workers, tasks say so, and what to raise; none waits for ever."""
    done = run_plain(SPENT, method, clean)
    error = "TemplateError" if clean == "task" else "WorkerStartError"
    assert (done.stdout.decode(), done.exit_code) == (f"1\n{error} True\n", 0), done.stderr


# --- users, and parents of orphans


DROPPED = """
import logging, multiprocessing.process, os, signal, sys  # Python's files may be root's alone
from workerstate import Executor, WorkerSpec
def drop():
    os.setgid(65534)
    os.setuid(65534)
if __name__ == "__main__":
    spec = WorkerSpec(initializer=drop)
    pool = Executor(2, start_method=sys.argv[1], clean=sys.argv[2], spec=spec)
    print(pool.submit(os.getuid).result(20), list(pool.map(abs, range(3))), flush=True)
    if sys.argv[3] == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    pool.shutdown()
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
@pytest.mark.parametrize("end", ["killed", "shutdown"])
@pytest.mark.parametrize(("method", "clean"), QUICK[:3])
def test_an_initializer_may_become_another_user(method, clean, end, run_plain, tmp_path):
    """Its workers run tasks, and end with the parent, which may kill them, though not they it."""
    done = run_plain(DROPPED, method, clean, end, env={"TMPDIR": str(tmp_path)})
    code = -signal.SIGKILL if end == "killed" else 0
    assert (done.stdout, done.exit_code) == (b"65534 [0, 1, 2]\n", code), done.stderr


IN_THREAD = """
import os, signal, sys, threading
from workerstate import Executor
def use():
    for _ in range(2):
        for pool in pools:
            pool.submit(abs, -1).result(20)
if __name__ == "__main__":
    pools = [Executor(2, start_method="fork", clean=clean) for clean in sys.argv[1:]]
    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("cleans", [["never"], ["task"], ["never", "call"]], ids="-".join)
def test_workers_of_a_thread_that_has_ended_end_with_the_program(cleans, run_plain, tmp_path):
    """Forked by a thread that didn't last, they see that the program was killed."""
    done = run_plain(IN_THREAD, *cleans, env={"TMPDIR": str(tmp_path)})
    assert done.exit_code == -signal.SIGKILL, done.stderr


def interrupt_when_all_are_there():
    with Executor(2, start_method="template") as pool:
        assert list(pool.map(abs, range(4))) == [0, 1, 2, 3]
        end = time.monotonic() + 20
        while not all(each.pid for each in pool._engine.places.workers()):
            assert time.monotonic() < end
            time.sleep(0.005)
        raise KeyboardInterrupt


def test_a_parent_of_orphans_has_no_zombies():
    """A container's first process, or one that takes orphans in, waits for all that it killed."""
    before = unreaped()  # this process takes them in: see conftest
    with pytest.raises(KeyboardInterrupt):
        interrupt_when_all_are_there()
    assert unreaped() <= before
