"""Processes: whatever fails, or comes, at an odd moment of a pool's life, nobody waits for ever."""

from __future__ import annotations

import concurrent.futures as cf
import functools
import os
import signal
from contextlib import contextmanager

import engine_tasks as tasks
import pytest

from harness import until
from workerstate import (
    Executor,
    Resource,
    TemplateError,
    WorkerDiedError,
    WorkerSpec,
    WorkerStartError,
)
from workerstate.engine.abandoning import abandon
from workerstate.engine.started_source import StartedSource

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
STARTED = ("fork", "spawn", "forkserver", "loky")
SOON = 10  # seconds within which everything here happens
NO_PROCESS = 11, "Resource temporarily unavailable"


@contextmanager
def executor(*args, **kwargs):
    """Give an executor; where the test fails, its tasks are not waited for."""
    pool = Executor(*args, **kwargs)
    try:
        yield pool
    except BaseException:
        pool._engine.shutdown(wait=False, at_once=True)
        raise
    pool.shutdown()


def failing(call, error, at=1):
    """Give what calls ``call``, but once, as it is called for the ``at``-th time, fails."""
    calls = []

    def instead(*args):
        calls.append(args)
        if len(calls) == at:
            raise error(*NO_PROCESS)
        return call(*args)

    return instead


@pytest.mark.parametrize(
    ("clean", "at", "error"),
    [("never", 2, KeyboardInterrupt), ("task", 1, BlockingIOError), ("task", 3, BlockingIOError)],
)
def test_workers_that_cannot_be_started_are_when_asked_again(clean, at, error, monkeypatch):
    """The first submit is told; the next one begins anew, with all places and none in between."""
    monkeypatch.setattr(StartedSource, "start", failing(StartedSource.start, error, at))
    with executor(2, start_method="fork", clean=clean) as pool:
        with pytest.raises(error):
            pool.submit(tasks.good, 1)
        futures = [pool.submit(tasks.good, number) for number in range(8)]
        assert [each.result(SOON) for each in futures] == [n * n for n in range(8)]


def test_a_worker_that_has_no_successor(monkeypatch):
    """The task that it died of says so; then the pool tells why it has no workers."""
    with executor(1, start_method="fork") as pool:
        assert pool.submit(tasks.good, 2).result(SOON) == 4
        monkeypatch.setattr(StartedSource, "start", failing(StartedSource.start, BlockingIOError))
        with pytest.raises(WorkerDiedError, match="exit code 3"):
            pool.submit(tasks.act, "_exit").result(SOON)
        until(lambda: pool._engine.broken is not None, SOON)
        with pytest.raises(WorkerStartError, match=f"{NO_PROCESS[1]}.*ulimit -u"):
            pool.submit(tasks.good, 3)


def test_the_end_of_a_template_is_told_though_its_socket_is_open(tmp_path):
    """A process that its initializer has left has all of its files: all tasks are told anyway."""
    path = tmp_path / "helper"
    spec = WorkerSpec(initializer=functools.partial(tasks.leave_helper, str(path)))
    with executor(1, start_method="template", spec=spec) as pool:
        assert pool.submit(tasks.good, 2).result(SOON) == 4
        running, cancelled, waiting = (pool.submit(tasks.act, "hang") for _ in range(3))
        assert cancelled.cancel()
        os.kill(pool._engine.source._process.pid, signal.SIGKILL)
        try:
            assert cf.wait([running, cancelled, waiting], SOON).not_done == set()
            assert isinstance(running.exception(0), TemplateError)
        finally:
            os.kill(int(path.read_text()), signal.SIGKILL)


def test_where_no_process_can_be_forked_the_pool_gives_up():
    """Nurseries that end before they have forked a worker are not replaced without end."""
    spec = WorkerSpec(initializer=tasks.fork_no_more)
    with (
        executor(1, start_method="template", clean="task", spec=spec) as pool,
        pytest.raises(TemplateError, match=r"no worker can be forked.*ulimit"),
    ):
        pool.submit(tasks.good, 2).result(SOON)


@pytest.mark.parametrize("method", STARTED, indirect=True)
def test_what_is_given_up_while_its_worker_starts_breaks_nothing(method, tmp_path):
    """The worker is ended at whatever its start is; another one starts for the next task."""
    path = str(tmp_path / "started")
    spec = WorkerSpec(resources={"own": Resource(functools.partial(tasks.hang_once, path))})
    with executor(1, start_method=method, spec=spec) as pool:
        future = pool.submit(tasks.good, 2)
        until(lambda: os.path.exists(path), SOON)
        abandon(pool._engine, [future])
        with pytest.raises(cf.CancelledError):
            future.result(SOON)
        assert pool.submit(tasks.good, 3).result(SOON) == 9


def test_after_the_end_nothing_is_begun_for_new_settings(monkeypatch):
    """A submit after the shutdown is told just that, though what is carried has changed."""
    spec = WorkerSpec(carry=["environ"])
    with executor(1, start_method="template", clean="task", spec=spec) as pool:
        assert pool.submit(tasks.good, 2).result(SOON) == 4
    monkeypatch.setenv("SETTING_OF_A_TEST", "changed")
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(RuntimeError, match="after shutdown"):
        pool.submit(tasks.good, 3)
    assert len(os.listdir("/proc/self/fd")) <= before


@pytest.mark.parametrize("method", ["template", "fork"])
def test_a_start_that_fails_at_length_is_told(method):
    """However long the text of its error is, who submits gets the beginning of it."""
    spec = WorkerSpec(initializer=tasks.fail_at_length)
    with (
        executor(1, start_method=method, spec=spec) as pool,
        pytest.raises(WorkerStartError, match="ValueError: begins"),
    ):
        pool.submit(tasks.good, 2).result(SOON)
