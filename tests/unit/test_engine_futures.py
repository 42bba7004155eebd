"""Unit: the engine's futures are those of concurrent.futures to all who use them."""

from __future__ import annotations

import asyncio
import concurrent.futures as cf
import sys
import threading
from _thread import RLock

import pytest

from workerstate.engine.futures import TaskFuture


@pytest.fixture
def future():
    return TaskFuture(RLock())


SETTLE = {
    "result": (lambda f: f.set_result(3), "3"),
    "exception": (lambda f: f.set_exception(KeyError("k")), "KeyError"),
    "cancel": (lambda f: (f.cancel(), f.set_running_or_notify_cancel()), "CancelledError"),
}


def outcome(get):
    try:
        return str(get())
    except BaseException as error:
        return type(error).__name__


def wait_for(future):
    cf.wait([future], 30)
    return future.result(0)


def as_completed(future):
    (found,) = cf.as_completed([future], 30)
    return found.result(0)


def callback(future):
    done = threading.Event()
    future.add_done_callback(lambda f: done.set())
    assert done.wait(30)
    return future.result(0)


def in_asyncio(future):
    async def main():
        return await asyncio.wait_for(asyncio.wrap_future(future), 30)

    try:
        return asyncio.run(main())
    except asyncio.CancelledError:
        raise cf.CancelledError from None


WAYS = {
    "result": lambda f: f.result(30),
    "exception": lambda f: wait_exception(f),
    "wait": wait_for,
    "as_completed": as_completed,
    "callback": callback,
    "asyncio": in_asyncio,
}


def wait_exception(future):
    error = future.exception(30)
    if error is not None:
        raise error
    return future.result(0)


@pytest.mark.parametrize("settle", SETTLE)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("when", ["before", "while", "also others wait"])
def test_whoever_waits_is_told(future, way, settle, when):
    """However it is waited for, and however it is settled, before or meanwhile."""
    act, expected = SETTLE[settle]
    told = []
    others = [*WAYS.values()] if when == "also others wait" else []
    threads = [
        threading.Thread(target=lambda get=get: told.append(outcome(lambda: get(future))))
        for get in (*others, WAYS[way])
    ]
    if when == "before":
        act(future)
    for each in threads:
        each.start()
    if when != "before":
        while way in ("result", "exception") and not future._sleepers:
            pass
        act(future)
    for each in threads:
        each.join(30)
    assert told == [expected] * len(threads)
    assert future.done()


def test_waiting_has_an_end(future):
    """A timeout is the one of concurrent.futures, and leaves nothing behind."""
    for timeout in (0, 0.001, -1):
        with pytest.raises(cf.TimeoutError):
            future.result(timeout)
        with pytest.raises(cf.TimeoutError):
            future.exception(timeout)
    assert future._sleepers == ()
    future.set_result(1)
    assert future.result(0) == 1


def test_states_are_those_of_any_future(future):
    """Pending, running, done; what has an outcome takes no other, and can't be cancelled."""
    assert (future.running(), future.done(), future.cancelled()) == (False, False, False)
    assert future.set_running_or_notify_cancel()
    assert future.running()
    assert not future.cancel()
    future.set_result(1)
    assert (future.running(), future.done(), future.cancelled()) == (False, True, False)
    assert not future.cancel()
    for again in (lambda: future.set_result(2), lambda: future.set_exception(KeyError())):
        with pytest.raises(cf.InvalidStateError):
            again()
    assert future.result() == 1
    assert "finished" in repr(future)


def test_a_cancelled_one_does_not_run(future):
    """It is told to whoever waits at once, also twice; the worker is not to begin it."""
    assert future.cancel()
    assert future.cancel()
    assert future.cancelled()
    assert not future.set_running_or_notify_cancel()
    with pytest.raises(cf.CancelledError):
        future.result()
    with pytest.raises(cf.InvalidStateError):
        future.set_result(1)


def test_callbacks_are_called_once_each(future):
    """Those registered before and after, in their order, though one of them raises."""
    called = []
    future.add_done_callback(lambda f: called.append("first"))
    future.add_done_callback(lambda f: 1 / 0)
    future.add_done_callback(lambda f: called.append("third"))
    future.set_result(1)
    future.add_done_callback(lambda f: called.append("late"))
    assert called == ["first", "third", "late"]


@pytest.mark.parametrize("settle", SETTLE)
def test_who_waits_is_told_before_callbacks_are_called(future, settle):
    """A callback may itself wait for what a thread does that waits for the result."""
    act, expected = SETTLE[settle]
    told, seen = [], []
    waits = threading.Thread(target=lambda: told.append(outcome(lambda: future.result(30))))
    waits.start()
    while not future._sleepers:
        pass

    def callback(future):
        waits.join(5)
        seen.append(waits.is_alive())

    future.add_done_callback(callback)
    act(future)
    waits.join(30)
    assert (told, seen) == ([expected], [False])


@pytest.mark.parametrize("settle", SETTLE)
def test_a_callback_that_ends_the_program_ends_no_thread_of_ours(future, settle, caplog):
    """sys.exit() in one is logged, as any error: others are called, and who settles goes on."""
    act, expected = SETTLE[settle]
    called = []
    future.add_done_callback(lambda f: sys.exit(1))
    future.add_done_callback(called.append)
    act(future)
    assert called == [future]
    assert outcome(lambda: future.result(0)) == expected
    assert "SystemExit" in caplog.text


def test_who_holds_one_holds_no_other(future):
    """wait() takes the locks of all its futures, two at once in two orders: so each has its own."""
    other = TaskFuture(future._lock)
    found = []
    waits = threading.Thread(target=lambda: found.append(cf.wait([other], 0)), daemon=True)
    with future._condition:
        waits.start()
        waits.join(5)
        assert not waits.is_alive()
    assert found[0].not_done == {other}


def test_none_of_it_is_made_before_it_is_needed(future):
    """Submitting and asking make no condition, list or queue."""
    future.set_running_or_notify_cancel()
    future.set_result(1)
    assert future.result() == 1
    assert set(vars(future)) == {"_lock", "_state", "_result"}


def test_unknown_names_are_unknown(future):
    """What no future has is an AttributeError, as copy and pickle expect."""
    assert not hasattr(future, "__deepcopy__")
    with pytest.raises(AttributeError, match="'TaskFuture' object has no attribute 'reslt'"):
        future.reslt  # noqa: B018
