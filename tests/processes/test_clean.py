"""Processes: a task with a fresh worker finds the start state, and takes with it what it left."""

from __future__ import annotations

import multiprocessing
import os
import time

import leaks
import pytest

import workerstate
from harness import gone
from workerstate import Executor, Resource, TemplateError, WorkerSpec, WorkerStartError

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


def test_each_task_finds_the_start_state(method):
    """Of all that a task can leave behind in its process, nothing passes to the next one."""
    kinds = [each for each in leaks.EVERY if method == "template" or each not in leaks.FORKED]
    with Executor(1, start_method=method, clean="task") as pool:
        found = [pool.submit(leaks.leak, kinds).result(30) for _ in range(3)]
    for before, after in found:
        assert not {kind for kind in kinds if before[kind] == after[kind]}  # each did leave it
        assert before == found[0][0]


def test_each_task_finds_numpy_as_it_was():
    """Numpy's error state passes from no task to another."""
    pytest.importorskip("numpy")
    kinds = ["numpy errors"]
    with Executor(1, clean="task", spec=WorkerSpec(preload=["numpy"])) as pool:
        found = [pool.submit(leaks.leak, kinds).result(30) for _ in range(2)]
    assert found[0] == found[1]
    assert found[0][0] != found[0][1]


def test_memory_goes_with_its_task():
    """What a task has taken is free for the next."""
    with Executor(1, clean="task") as pool:
        taken = [pool.submit(leaks.resident).result(30) for _ in range(4)]
    assert max(taken) < min(taken) + (32 << 20)


def test_what_is_left_stays_within_its_call(method):
    """With ``clean="call"`` the tasks of a map share their worker, and the next call's don't."""
    kinds = ["environ", "globals", "sys.modules", "cwd"]
    with Executor(1, start_method=method, clean="call") as pool:
        calls = [list(pool.map(leaks.leak, [kinds] * 2, chunksize=1)) for _ in range(2)]
    for (before, after), (then, _) in calls:
        assert before == calls[0][0][0]
        assert then == after != before


def test_the_exit_does_what_the_task_left_for_it(tmp_path):
    """Exit functions, temporary folders and open files are the task's, not the template's."""
    path = str(tmp_path / "notes")
    spec = WorkerSpec(initializer=leaks.Prepare(path))
    with Executor(1, clean="task", spec=spec) as pool:
        found = [pool.submit(leaks.leave_for_exit, path).result(30) for _ in range(3)]
    assert [there for there, *_ in found] == [True] * 3
    assert len({folder for _, folder, _ in found}) == 1
    assert not any(os.path.exists(folder) for *_, folder in found)
    with open(path) as file:
        assert sorted(file.read().split()) == ["atexit"] * 3 + ["finalizer"] * 3
    opened = list(tmp_path.glob("notes.open.*"))
    assert [each.read_text() for each in opened] == ["not flushed"] * 3


SEMAPHORES = """
import multiprocessing
from workerstate import Executor
LOCK = multiprocessing.get_context("spawn").Lock()
def work():
    return LOCK.acquire(timeout=1)
if __name__ == "__main__":
    with Executor(1, start_method="template", clean="task") as pool:
        print(pool.submit(work).result())
"""


def test_a_template_leaves_no_semaphore(run_plain):
    """Those that the main module makes have a name each, which goes with the template."""
    done = run_plain(SEMAPHORES)
    assert (done.stdout, done.stderr) == (b"True\n", "")


def test_what_a_module_has_not_written_yet_is_written_once(run_plain, tmp_path):
    """A file that a preloaded module keeps open is flushed before workers have a copy of it."""
    (tmp_path / "keeping.py").write_text("FILE = open('kept', 'w')\nFILE.write('once')\n")
    source = (
        "import sys; sys.path.insert(0, '')\n"
        "from workerstate import Executor, WorkerSpec\n"
        "def read():\n"
        "    import keeping\n"
        "    keeping.FILE.flush()\n"
        "    return open('kept').read()\n"
        "if __name__ == '__main__':\n"
        "    spec = WorkerSpec(preload=['keeping'])\n"
        "    with Executor(1, clean='task', spec=spec, start_method='template') as pool:\n"
        "        print([pool.submit(read).result() for _ in range(3)])\n"
    )
    done = run_plain(source, cwd=tmp_path)
    assert done.stdout == b"['once', 'once', 'once']\n", done.stderr


PRINTS = """
import sys
from workerstate import Executor, WorkerSpec

def start():
    sys.stdout.write("<start>")

def say(n):
    print(f"<{n}>", end="")
    sys.stderr.write(f"<{n}>")

if __name__ == "__main__":
    with Executor(2, clean="task", spec=WorkerSpec(initializer=start)) as pool:
        list(pool.map(say, range(5)))
"""


def test_what_is_printed_is_written_once(run_plain):
    """Output without a line's end is flushed at the task's end; the template's is not repeated."""
    done = run_plain(PRINTS)
    assert done.exit_code == 0, done.stderr
    assert sorted(done.stdout.decode()[1:-1].split("><")) == [*map(str, range(5)), "start"]
    assert sorted(done.stderr[1:-1].split("><")) == [*map(str, range(5))]


FORKED = """
import os, sys
from workerstate.engine.ending import drop_output
print("parent")
if os.fork() == 0:
    drop_output()
    print("child")
    sys.stdout.flush()
    os._exit(0)
os.wait()
"""


def test_what_the_parent_printed_is_not_a_workers(run_plain):
    """A forked worker writes nothing of what another thread printed as it was forked."""
    assert run_plain(FORKED).stdout == b"child\nparent\n"


def test_what_a_task_started_ends_with_it():
    """A program that a task leaves running is killed when the task has ended."""
    with Executor(1, clean="task") as pool:
        pid = pool.submit(leaks.start_sleeper).result(30)
        assert gone(pid, 10)
        assert pool.submit(abs, -1).result(30) == 1


@pytest.mark.parametrize("clean", ["never", "task"])
def test_numbers_differ_between_workers(method, clean):
    """Without a seed, no two tasks draw the same from random or numpy, though all are forks."""
    numpy = pytest.importorskip("numpy")
    numpy.random.random()  # forked workers have the state of this one
    spec = WorkerSpec(preload=["numpy.random"])
    with Executor(2, clean=clean, spec=spec, start_method=method) as pool:
        found = list(pool.map(leaks.draw, range(8), chunksize=1))
    assert len({number for pair in found for number in pair}) == 16


FOREIGN = """
import _thread, threading, time
from workerstate.engine.safety import culprits
def wait(begun):
    threading.current_thread()  # which makes an object for it that can't be joined
    begun.release()
    time.sleep(60)
begun = _thread.allocate_lock()
begun.acquire()
_thread.start_new_thread(wait, (begun,))
begun.acquire()
print(culprits())
"""


def test_a_thread_that_threading_did_not_start_is_named(run_plain):
    """A foreign thread is a culprit as any other."""
    assert run_plain(FOREIGN).stdout.startswith(b"[\"thread 'Dummy-")


def test_a_thread_that_ends_is_no_danger():
    """A template waits for what a library has left running for a moment."""
    with Executor(1, spec=WorkerSpec(initializer=leaks.run_short_thread)) as pool:
        assert pool.submit(abs, -1).result(30) == 1


def ask_for_resource():
    workerstate.resource("connection")


def test_an_initializer_that_asks_too_early():
    """The template's initializer is told that each worker opens that resource later."""
    spec = WorkerSpec(initializer=ask_for_resource, resources={"connection": Resource(list)})
    with Executor(1, spec=spec) as pool, pytest.raises(WorkerStartError, match="shared=True"):
        pool.submit(abs, -1).result(30)


def test_a_worker_is_a_child_to_multiprocessing(method):
    """It has a name of its own and a parent, which is alive."""
    if method == "loky":
        pytest.skip("loky's own workers can't tell whether their parent is alive")
    with Executor(2, start_method=method) as pool:
        name, parent, alive = pool.submit(leaks.family).result(30)
    assert name != multiprocessing.current_process().name
    assert (parent, alive) == (os.getpid(), True)


def test_numbers_come_back_with_the_seed():
    """With a seed, random and numpy draw the same in another executor, and other ones per task."""
    pytest.importorskip("numpy")
    calls = []
    for clean in ("never", "task", "task"):
        spec = WorkerSpec(preload=["numpy"], seed=3)
        with Executor(2, clean=clean, spec=spec) as pool:
            calls.append(list(pool.map(leaks.draw, range(4), chunksize=1)))
    assert calls[0] == calls[1] == calls[2]
    assert len({number for pair in calls[0] for number in pair}) == 8


REFUSED = {
    "run_thread": "thread 'its-own-thread' runs",
    "hold_lock": "the lock of logging handler StreamHandler is held",
    "compute_with_openmp": r"libgomp.*OMP_NUM_THREADS=1",
}


@pytest.mark.parametrize("culprit", REFUSED)
def test_an_unsafe_template_is_refused(culprit, monkeypatch):
    """A template with threads, OpenMP's too, or a held lock is not forked; the error names it."""
    if culprit == "compute_with_openmp":
        pytest.importorskip("sklearn")
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        if os.cpu_count() == 1:
            pytest.skip("on one core OpenMP has no thread of its own")
    spec = WorkerSpec(initializer=getattr(leaks, culprit))
    with (
        Executor(1, spec=spec) as pool,
        pytest.raises(TemplateError, match=REFUSED[culprit]),
    ):
        pool.submit(abs, -1).result(60)


def test_openmp_with_one_thread_is_no_danger(monkeypatch):
    """What has computed with one thread may be forked, and its children compute."""
    pytest.importorskip("sklearn")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    spec = WorkerSpec(initializer=leaks.compute_with_openmp)
    with Executor(1, clean="task", spec=spec) as pool:
        pool.submit(leaks.compute_with_openmp).result(60)


@pytest.mark.parametrize("way", ["submit", "map"])
def test_arrays_that_a_worker_keeps_stay(way):
    """The memory of an argument is used again only when nothing in the worker refers to it."""
    numpy = pytest.importorskip("numpy")
    arrays = [numpy.full(1 << 15, float(n)) for n in range(24)]
    with Executor(1) as pool:
        if way == "map":
            list(pool.map(leaks.keep, arrays))
        else:
            for array in arrays:
                pool.submit(leaks.keep, array).result(30)
        assert pool.submit(leaks.kept).result(30) == [(float(n), float(n)) for n in range(24)]


@pytest.mark.parametrize("how", ["Executor", "Pool", "spawn", "threads", "exec", "fork"])
@pytest.mark.parametrize("clean", ["never", "task"])
def test_tasks_may_start_processes_and_threads(how, clean):
    """Pools of ours and of multiprocessing, threads, exec and fork work inside a task."""
    with Executor(1, clean=clean) as pool:
        assert pool.submit(leaks.nested, how).result(30) == [1, 2]
        assert pool.submit(leaks.nested, how).result(30) == [1, 2]


@pytest.mark.parametrize("clean", ["never", "task"])
def test_shared_memory_of_a_task_is_not_left(clean, capfd):
    """A segment that a task makes and forgets has gone when the executor has."""
    with Executor(1, clean=clean) as pool:
        names = [pool.submit(leaks.make_segment, unlink).result(30) for unlink in (True, False)]
    end = time.monotonic() + 10
    while any(os.path.exists(f"/dev/shm/{name}") for name in names) and time.monotonic() < end:
        time.sleep(0.005)
    assert not any(os.path.exists(f"/dev/shm/{name}") for name in names)
