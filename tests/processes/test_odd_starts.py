"""Processes: where one can't be started, or goes as it starts, nothing is left and all is told."""

from __future__ import annotations

import errno
import functools
import gc
import os
import signal
import threading
from pathlib import Path

import engine_tasks as tasks
import odd_tasks as odd
import pytest

from harness import living, until
from workerstate import (
    Executor,
    Resource,
    TemplateError,
    WorkerDiedError,
    WorkerSpec,
    WorkerStartError,
)
from workerstate.engine import wire
from workerstate.engine.receiver import Receiver

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
TOO_MANY = (OSError, errno.EMFILE, "Too many open files")
NO_PROCESS = (BlockingIOError, errno.EAGAIN, "Resource temporarily unavailable")
NO_THREAD = (RuntimeError, "can't start new thread")


def fail_at(number, usual, kind, *facts):
    """Give a function that fails when it is called for the nth time, in this process."""
    calls, me = [], os.getpid()

    def call(*args, **kwargs):
        if os.getpid() == me:
            calls.append(args)
            if len(calls) == number:
                raise kind(*facts)
        return usual(*args, **kwargs)

    return call


def descriptors():
    """Count what is open, but for the file that says whose the program's folder is."""
    gc.collect()
    found = [_target(each) for each in os.listdir("/proc/self/fd")]
    return len([each for each in found if each and "workerstate-start" not in each])


def _target(fd):
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except OSError:  # the listing's own
        return None


def pool_threads():
    return [each for each in threading.enumerate() if each.name == "workerstate-pool"]


# --- what can't be started


FIRST = {
    "second fork": (os, "fork", 2, NO_PROCESS),
    "first pidfd": (os, "pidfd_open", 1, TOO_MANY),
    "second pidfd": (os, "pidfd_open", 2, TOO_MANY),
    "Ctrl-C": (os, "pidfd_open", 2, (KeyboardInterrupt,)),
    "second socket": (wire, "pair", 2, TOO_MANY),
    "thread": (Receiver, "start", 1, NO_THREAD),
}


@pytest.mark.parametrize("clean", ["never", "task"])
@pytest.mark.parametrize("what", FIRST)
def test_a_first_task_that_fails_leaves_no_worker_and_is_tried_again(what, clean, monkeypatch):
    """If not all workers can be started, those that were end; the next task starts anew."""
    place, name, number, error = FIRST[what]
    before, open_before = living(), descriptors()
    with Executor(2, start_method="fork", clean=clean) as pool:
        with monkeypatch.context() as at_first:
            at_first.setattr(place, name, fail_at(number, getattr(place, name), *error))
            with pytest.raises(error[0]):
                pool.submit(tasks.good, 1)
        until(lambda: living() == before)
        futures = [pool.submit(tasks.good, n) for n in range(4)]
        assert [each.result(20) for each in futures] == [0, 1, 4, 9]
    del pool, futures
    pipes = 4 if name == "fork" else 0  # multiprocessing's own, which it forgets
    assert descriptors() <= open_before + pipes


TEMPLATE = {
    "worker's socket": (wire, "pair", 2, TOO_MANY),
    "second worker's": (wire, "pair", 3, TOO_MANY),
    "pidfd": (os, "pidfd_open", 1, TOO_MANY),
    "thread": (Receiver, "start", 1, NO_THREAD),
}


@pytest.mark.parametrize("clean", ["never", "task"])
@pytest.mark.parametrize("what", TEMPLATE)
def test_a_template_that_cannot_be_started_leaves_nothing(what, clean, monkeypatch):
    """The executor is not made: no process, thread or descriptor of it is there any more."""
    place, name, number, error = TEMPLATE[what]
    before, open_before = living(), descriptors()
    with monkeypatch.context() as now:
        now.setattr(place, name, fail_at(number, getattr(place, name), *error))
        with pytest.raises(error[0], match=error[-1]):
            Executor(2, start_method="template", clean=clean)
    until(lambda: not pool_threads())
    assert living() == before
    assert descriptors() <= open_before


def test_a_template_tries_a_fork_again(tmp_path):
    """Where it fails once as a worker is replaced, the tasks that come don't see it."""
    path = str(tmp_path / "fails")
    spec = WorkerSpec(initializer=functools.partial(odd.fail_a_fork, path))
    with Executor(1, spec=spec, start_method="template") as pool:
        pool.submit(tasks.touch, path).result(20)
        with pytest.raises(WorkerDiedError, match="exit code 3"):
            pool.submit(tasks.act, "_exit").result(20)
        assert pool.submit(tasks.good, 3).result(20) == 9
    assert os.path.exists(f"{path}.forked")


def test_a_nursery_tries_a_fork_again(tmp_path):
    """Where it fails once, the task that runs meanwhile goes on."""
    path = str(tmp_path / "fails")
    spec = WorkerSpec(initializer=functools.partial(odd.fail_a_fork, path))
    with Executor(1, clean="task", spec=spec, start_method="template") as pool:
        pool.submit(odd.touch_at_exit, path).result(20)
        assert pool.submit(odd.begin_and_wait, path).result(20)
        assert pool.submit(tasks.good, 3).result(20) == 9


@pytest.mark.parametrize(
    ("clean", "after"),
    [("never", 1), ("task", 1), ("task", 100)],
    ids=["template's for tasks", "template's for nurseries", "nursery's"],
)
def test_forks_that_go_on_failing_are_told(clean, after):
    """Tasks say what is at its limit: none waits for ever, nothing is tried for ever."""
    spec = WorkerSpec(initializer=functools.partial(odd.fail_forks, after))
    with (
        Executor(1, clean=clean, spec=spec, start_method="template") as pool,
        pytest.raises(TemplateError, match=r"no worker can be forked.*ulimit -u"),
    ):
        pool.submit(tasks.good, 1).result(20)


SPECS = {
    "initializer": WorkerSpec(initializer=odd.fail_at_length),
    "resource": WorkerSpec(resources={"own": Resource(odd.fail_at_length)}),
}


@pytest.mark.parametrize("what", SPECS)
@pytest.mark.parametrize(
    ("method", "clean"), [("template", "never"), ("template", "task"), ("fork", "never")]
)
def test_an_error_of_any_length_is_told(method, clean, what):
    """What a start fails with may quote all its data: its beginning and its end arrive."""
    with Executor(1, start_method=method, clean=clean, spec=SPECS[what]) as pool:
        future = pool.submit(tasks.good, 1)
        with pytest.raises(WorkerStartError, match=r"no such thing: x+ \[\.\.\.\] x+") as told:
            future.result(20)
    assert len(str(told.value)) < 50_000


ENDING = """
import sys
from workerstate import Executor
def main():
    with Executor(1, start_method="spawn", clean=sys.argv[1]) as pool:
        pool.submit(abs, -1).result(20)
if __name__ != "__main__":
    sys.exit(0)
main()
"""


@pytest.mark.parametrize("clean", ["never", "task"])
def test_a_main_module_that_ends_its_worker_is_named(clean, run_plain):
    """Where workers end before any task, the error says how, and what they had run by then."""
    done = run_plain(ENDING, clean)
    last = done.stderr.rstrip().rpartition("\n")[2]
    assert "WorkerStartError: 4 workers in a row" in last
    assert "the last one ended with exit code 0" in last
    assert "main module" in last


# --- who goes, and who holds its sockets


@pytest.fixture
def hold(monkeypatch):
    """Have another process hold the nth connection that is made from now on."""
    near, far = os.pipe()
    held = []

    def hold(number):
        usual, calls = wire.pair, []

        def pair():
            ends = usual()
            calls.append(None)
            if len(calls) == number:
                held.append(os.fork())
                if held[-1] == 0:
                    os.close(far)
                    os.read(near, 1)
                    os._exit(0)
            return ends

        monkeypatch.setattr(wire, "pair", pair)

    yield hold
    os.close(far)
    os.close(near)
    for pid in held:
        os.waitpid(pid, 0)


def template_of(pool):
    return pool._engine.source._process.pid


def test_the_end_of_a_template_is_seen_though_its_connection_is_held(hold):
    """All futures are told, whoever has been forked from the program while it was made."""
    hold(1)
    with Executor(1, start_method="template") as pool:
        assert pool.submit(tasks.good, 2).result(20) == 4
        future = pool.submit(tasks.act, "hang")
        os.kill(template_of(pool), signal.SIGKILL)
        with pytest.raises(TemplateError, match="killed by signal 9"):
            future.result(20)


def test_what_an_initializer_starts_holds_no_connection(tmp_path):
    """A process that goes on, with all that could be inherited, hides no end of the template."""
    path = tmp_path / "heir"
    spec = WorkerSpec(initializer=functools.partial(odd.start_heir, str(path)))
    with Executor(1, spec=spec, start_method="template") as pool:
        assert pool.submit(tasks.good, 2).result(20) == 4
        heir = int(path.read_text())
        opened = [os.readlink(each) for each in Path(f"/proc/{heir}/fd").iterdir()]
        future = pool.submit(tasks.act, "hang")
        os.kill(template_of(pool), signal.SIGKILL)
        try:
            with pytest.raises(TemplateError, match="killed by signal 9"):
                future.result(20)
        finally:
            os.kill(heir, signal.SIGKILL)
    assert not [each for each in opened if "workerstate" in each]


def test_a_nursery_is_replaced_though_its_connection_is_held(hold):
    """Its end is told by the template; the tasks that come run in the next one's workers."""
    hold(2)
    with Executor(1, clean="task", start_method="template") as pool:
        nursery = pool.submit(os.getppid).result(20)
        os.kill(nursery, signal.SIGKILL)
        until(lambda: not os.path.exists(f"/proc/{nursery}"))
        assert [pool.submit(tasks.good, n).result(20) for n in range(3)] == [0, 1, 4]


@pytest.mark.parametrize("end", ["shutdown", "template killed"])
def test_a_task_with_new_settings_comes_too_late(end, monkeypatch):
    """What is carried may have changed since the end of the pool: the error tells that end."""
    spec = WorkerSpec(carry=["environ"])
    with Executor(1, clean="task", spec=spec, start_method="template") as pool:
        assert pool.submit(tasks.good, 2).result(20) == 4
        if end == "shutdown":
            pool.shutdown()
        else:
            os.kill(template_of(pool), signal.SIGKILL)
            until(lambda: pool._engine.broken is not None and not pool._engine.receiver.alive)
        monkeypatch.setenv("CHANGED", "since then")
        error = {"shutdown": RuntimeError, "template killed": TemplateError}[end]
        with pytest.raises(error, match=r"after shutdown|killed by signal 9"):
            pool.submit(tasks.good, 3)


ORPHANED = """
import os, signal, sys, time
from workerstate import Executor, WorkerSpec
from workerstate.engine import processes
def lose_parent():
    parent = os.getppid()
    for each in (*processes.children(), parent):  # who would end this process with its parent, too
        os.kill(each, signal.SIGKILL)
    while os.getppid() == parent:
        time.sleep(0.005)
    if sys.argv[1] == "fails":
        raise ValueError("no such thing")
if __name__ == "__main__":
    spec = WorkerSpec(initializer=lose_parent)
    Executor(1, spec=spec, start_method="template").submit(abs, -1).result(20)
"""


@pytest.mark.parametrize("how", ["succeeds", "fails"])
def test_a_template_whose_parent_has_gone_says_nothing(how, run_plain, tmp_path):
    """There is nobody to tell that its start is over: it ends, and shows no traceback."""
    done = run_plain(ORPHANED, how, env={"TMPDIR": str(tmp_path)})
    assert (done.exit_code, done.stderr) == (-signal.SIGKILL, "")
