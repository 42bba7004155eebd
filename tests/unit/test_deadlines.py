"""Unit: a worker is killed for the task that it runs, and for no other."""

from __future__ import annotations

import gc
import weakref

import engine_fakes as fakes
import pytest

from harness import until
from workerstate.engine import processes, wire
from workerstate.engine.abandoning import abandon
from workerstate.engine.tasks import NONE, Limits

AT_ONCE = Limits(timeout=1e-9)


@pytest.fixture
def pool():
    with fakes.fake_pool() as made:
        made.open()
        yield made


@pytest.fixture
def alarms(pool, monkeypatch):
    """Give what the pool is to do later; the test does it."""
    found = []
    monkeypatch.setattr(pool.receiver, "at", lambda when, call: found.append(call))
    return found


@pytest.fixture
def kills(pool, monkeypatch):
    """Give, for each worker that is killed, its process id and the tasks that it then has."""
    found = []

    def kill(pid):
        found.append((pid, fakes.worker_of(pool).tasks()))

    monkeypatch.setattr(processes, "kill", kill)
    return found


def be_late(pool, future, alarms):
    alarms.pop()()


def be_given_up(pool, future, alarms):
    abandon(pool, [future])


# Why a worker is killed: with which limits its task is submitted, and what brings it about.
REASONS = {"late": (AT_ONCE, be_late), "given up": (NONE, be_given_up)}


@pytest.fixture(params=REASONS)
def reason(request):
    return REASONS[request.param]


def submit_behind(pool, limits):
    """Submit two tasks; the worker begins one, and is sent the other ahead."""
    (worker,) = pool.tasks.idle
    with pool.lock:
        pool.tasks._each = 1e-4  # so that one is sent ahead
        first = pool.submit(abs, (0,))
        futures = [pool.submit(abs, (1,), limits=limits), pool.submit(abs, (2,))]
        fakes.read(worker)
        fakes.answer(worker, 0)
    assert first.result(fakes.SOON) == 0
    until(lambda: len(worker.packets) == 2, fakes.SOON)
    runs, waits = worker.tasks()
    assert fakes.read(worker) == [runs.number]
    worker.slot.cell.begin(runs.number)
    return futures, waits


def test_what_waits_behind_is_not_there_when_the_worker_is_killed(pool, alarms, kills, reason):
    """It would be blamed if the worker came to it just then; it is run by another."""
    limits, ends = reason
    worker = fakes.worker_of(pool)
    (future, other), waits = submit_behind(pool, limits)
    ends(pool, future, alarms)
    assert [pid for pid, _ in kills] == [worker.pid]
    assert waits not in kills[0][1]
    assert not other.done()
    assert list(pool.tasks.pending) == [waits]


def test_a_worker_that_has_gone_on_is_not_killed(pool, alarms, kills, reason, monkeypatch):
    """It ended that task as it was to be killed for it, and has begun another."""
    limits, ends = reason
    worker = fakes.worker_of(pool)
    (future, other), _ = submit_behind(pool, limits)
    receive = wire.receive

    def receive_late(*args):
        now.undo()
        worker.slot.cell.begin(*fakes.read(worker))
        return receive(*args)

    with monkeypatch.context() as now:
        now.setattr(wire, "receive", receive_late)
        ends(pool, future, alarms)
    assert kills == []
    for value, each in enumerate((future, other)):
        fakes.answer(worker, value)
        assert each.result(fakes.SOON) == value


def test_nobody_is_killed_before_it_is_known_who(pool, alarms, kills):
    """A worker may begin a task before the pool is told its process id; then it is killed."""
    worker = fakes.worker_of(pool)
    pid, worker.pid = worker.pid, 0
    pool.submit(abs, (1,), limits=AT_ONCE)
    worker.slot.cell.begin(*fakes.read(worker))
    alarms.pop()()
    assert kills == []
    worker.pid = pid
    alarms.pop()()
    assert [pid for pid, _ in kills] == [pid]


def test_a_deadline_keeps_no_result_alive(pool, alarms):
    """What a task gave is the program's alone, long before its time would have been over."""
    future = pool.submit(abs, (1,), limits=Limits(timeout=3600))
    fakes.answer(fakes.worker_of(pool), 1)
    assert future.result(fakes.SOON) == 1
    given = weakref.ref(future)
    del future

    def is_gone():
        gc.collect()
        return given() is None

    until(is_gone, fakes.SOON)
    assert len(alarms) == 1
