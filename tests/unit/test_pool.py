"""Unit: whenever a pool is interrupted, cancelled or broken, every task has an outcome."""

from __future__ import annotations

import concurrent.futures as cf
import os
import signal
import sys
import threading

import engine_fakes as fakes
import pytest

from harness import until
from workerstate import WorkerDiedError, WorkerStartError
from workerstate.engine import exits, wire
from workerstate.engine.futures import TaskFuture

KILLED = int(signal.SIGKILL)
LEFT = 3 << 8  # with exit code 3, as os.waitpid gives it
NO_PROCESS = BlockingIOError(11, "Resource temporarily unavailable")
UNSTARTED = BlockingIOError, WorkerStartError


@pytest.fixture
def pool():
    with fakes.fake_pool() as made:
        yield made


def submit(pool, count):
    return [pool.submit(abs, (number,)) for number in range(count)]


def test_what_a_dead_worker_leaves_is_cancelled_with_the_rest(pool):
    """Tasks that it had been sent count as running; when they wait again, they can be cancelled."""
    (first,) = submit(pool, 1)
    worker = fakes.worker_of(pool)
    with pool.lock:
        rest = submit(pool, 4)
        pool.tasks._each = 1e-4  # so that more are sent ahead
        fakes.answer(worker, 0)
    assert first.result(fakes.SOON) == 0
    until(lambda: len(worker.packets) == 2, fakes.SOON)
    assert len(worker.tasks()) == 3
    worker.slot.cell.begin(fakes.numbers_of(worker)[0][0])
    pool.source.slow = True  # nobody takes what is left
    fakes.end(pool, worker, KILLED)
    pool.shutdown(wait=False, cancel=True)
    assert list(map(fakes.kind, rest)) == [WorkerDiedError, *[cf.CancelledError] * 3]
    pool.receiver._thread.join(fakes.SOON)
    assert pool.source.stopped


def test_what_is_left_of_a_chunk_is_cancelled(pool):
    """Who waits for a map whose chunk was cut into items, as one can't be pickled, is told."""
    items = [0, 1, threading.Lock(), 3]
    results = pool.map(abs, items, spread=False, size=4, timeout=fakes.SOON)
    pool.shutdown(wait=False, cancel=True)
    fakes.answer(fakes.worker_of(pool), ([0], {}))
    assert next(results) == 0
    with pytest.raises(cf.CancelledError):
        next(results)


def test_what_was_cancelled_is_told_so_where_the_pool_breaks(pool):
    """wait() ends for it too: a future is done when it has been told."""
    running, waiting = submit(pool, 2)
    assert waiting.cancel()
    pool.break_with(KeyError("broken"))
    assert fakes.kind(running) is KeyError
    assert cf.wait([waiting], fakes.SOON).not_done == set()
    assert waiting.cancelled()


def test_a_callback_that_ends_the_program_ends_nothing_else(pool, caplog):
    """Whether its task was run or is cancelled: the pool goes on, and others are told."""
    first, second, *rest = submit(pool, 5)
    for each in (first, rest[0]):
        each.add_done_callback(lambda future: sys.exit(1))
    fakes.answer(fakes.worker_of(pool), 5)
    assert first.result(fakes.SOON) == 5
    until(second.running, fakes.SOON)
    pool.shutdown(wait=False, cancel=True)
    assert list(map(fakes.kind, rest)) == [cf.CancelledError] * 3
    fakes.answer(fakes.worker_of(pool), 6)
    assert second.result(fakes.SOON) == 6
    assert caplog.text.count("SystemExit: 1") == 2


@pytest.mark.parametrize("late", [False, True])
def test_a_cancel_while_the_pool_breaks_hides_no_error(late, pool, monkeypatch):
    """The others are told what has happened, also if one is cancelled before it can be told."""
    futures = submit(pool, 4)
    method = "set_exception" if late else "done"
    told = getattr(TaskFuture, method)

    def cancelled_now(future, *error):
        if future is futures[1]:
            future.cancel()
        return told(future, *error)

    def cancelled_then(future):
        found = told(future)
        if future is futures[1]:
            future.cancel()
        return found

    monkeypatch.setattr(TaskFuture, method, cancelled_now if late else cancelled_then)
    pool.break_with(KeyError("broken"))
    monkeypatch.undo()
    assert [fakes.kind(each) for each in futures if each is not futures[1]] == [KeyError] * 3
    assert fakes.kind(futures[1]) in (KeyError, cf.CancelledError)


def test_a_dead_worker_that_has_no_successor(pool):
    """Its task is told how it died; others, and who submits now, why there is no worker."""
    blamed, *rest = submit(pool, 3)
    worker = fakes.worker_of(pool)
    worker.slot.cell.begin(fakes.numbers_of(worker)[0][0])
    pool.source.error = NO_PROCESS
    fakes.end(pool, worker, LEFT)
    assert fakes.kind(blamed) is WorkerDiedError
    for each in rest:
        with pytest.raises(UNSTARTED, match="Resource temporarily unavailable"):
            each.result(fakes.SOON)
    with pytest.raises(UNSTARTED, match="Resource temporarily unavailable"):
        submit(pool, 1)


def test_a_call_whose_worker_cannot_be_started_fails_alone():
    """The call before it, of which the pool has heard just then, has its result."""
    with fakes.fake_pool(by_call=True) as pool:
        before, after = submit(pool, 2)
        pool.source.error = NO_PROCESS
        fakes.answer(fakes.worker_of(pool), 5)
        assert before.result(fakes.SOON) == 5
        with pytest.raises(UNSTARTED, match="Resource temporarily unavailable"):
            after.result(fakes.SOON)


def test_a_call_whose_worker_cannot_be_started_is_told():
    """Who submits it gets the error, and so does who submits another."""
    with fakes.fake_pool(by_call=True) as pool:
        (before,) = submit(pool, 1)
        fakes.answer(fakes.worker_of(pool), 5)
        assert before.result(fakes.SOON) == 5
        until(lambda: pool.tasks.idle, fakes.SOON)
        pool.source.error = NO_PROCESS
        with pytest.raises(UNSTARTED, match="Resource temporarily unavailable"):
            submit(pool, 1)
        until(lambda: pool.broken is not None, fakes.SOON)
        with pytest.raises(UNSTARTED, match="Resource temporarily unavailable"):
            submit(pool, 1)


def test_without_a_thread_nothing_is_taken(pool, monkeypatch):
    """Where the pool's thread can't be started, the caller is told; the next one tries again."""

    def start(thread):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as now:
        now.setattr(threading.Thread, "start", start)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            submit(pool, 1)
    (future,) = submit(pool, 1)
    fakes.answer(fakes.worker_of(pool), 5)
    assert future.result(fakes.SOON) == 5


def own_files():
    links = [f"/proc/self/fd/{each}" for each in os.listdir("/proc/self/fd")]
    return [each for each in map(_target, links) if "workerstate-object" in each]


def _target(link):
    try:
        return os.readlink(link)
    except OSError:  # it was the listing's own
        return ""


def test_files_of_tasks_are_closed_where_the_pool_ends(pool):
    """What is too big for shared memory has a file, which a task that is given up leaves too."""
    pool.open()
    while pool.tasks.windows.take() >= 0:  # as if all of the memory were lent
        pass
    futures = [pool.submit(len, (bytearray(1 << 20),)) for _ in range(2)]
    assert len(own_files()) == 2
    pool.shutdown(at_once=True)
    assert list(map(fakes.kind, futures)) == [RuntimeError, cf.CancelledError]
    assert own_files() == []


class Owner:
    """Something whose end is that of the pool."""


def test_a_forgotten_pool_waits_for_no_lock(pool):
    """Its finalizer may run where any lock is held; what was submitted is run before the end."""
    (future,) = submit(pool, 1)
    owners = [Owner()]
    exits.end_with(owners[0], pool)
    thread = threading.Thread(target=owners.clear, daemon=True)
    with pool.lock, pool._futures:
        thread.start()
        thread.join(fakes.SOON)
        assert not thread.is_alive()
    assert not pool.source.stopped
    fakes.answer(fakes.worker_of(pool), 5)
    assert future.result(fakes.SOON) == 5
    pool.receiver._thread.join(fakes.SOON)
    assert pool.source.stopped


def test_what_a_dead_worker_leaves_is_for_idle_ones_too():
    """The items of its chunk go to all who are free, not only to the worker that replaces it."""
    with fakes.fake_pool(workers=2) as pool:
        pool.map(abs, list(range(10)), spread=False, size=10)
        (worker,) = pool.tasks.busy
        worker.slot.cell.begin(fakes.numbers_of(worker)[0][0])
        fakes.end(pool, worker, LEFT)
        assert len(pool.tasks.busy) == 2
        assert pool.tasks.idle == []


LOOKS = []  # what is called where a Looking is read


def look():
    LOOKS[0]()


class Looking:
    """A result whose reading runs code of the program's."""

    def __reduce__(self):
        return look, ()


def test_results_of_a_dead_worker_are_read_without_the_lock(pool, monkeypatch):
    """The program's code that reads them may wait for a thread that submits meanwhile."""
    with pool.lock:
        first, second = submit(pool, 2)
    worker = fakes.worker_of(pool)
    waits = []

    def submit_elsewhere():
        thread = threading.Thread(target=submit, args=(pool, 1), daemon=True)
        thread.start()
        thread.join(fakes.SOON / 2)
        waits.append(thread.is_alive())

    monkeypatch.setattr(f"{__name__}.LOOKS", [submit_elsewhere])
    (number,) = fakes.numbers_of(worker)[0]
    worker.slot.cell.begin(number)
    worker.slot.cell.keep(number, wire.VALUE, 0, fakes.plain(Looking()))
    pool.source.slow = True
    fakes.end(pool, worker, KILLED)
    assert first.result(fakes.SOON) is None
    assert waits == [False]
    assert not second.done()
