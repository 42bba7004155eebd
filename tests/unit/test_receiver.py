"""The thread of a pool that waits for its workers."""

from __future__ import annotations

import heapq
import os
import threading
import types

import pytest

from workerstate.engine import receiver as module
from workerstate.engine.receiver import Over, Receiver


@pytest.mark.parametrize("error", [StopIteration, ValueError, KeyboardInterrupt])
def test_what_a_handler_raises_is_told(error):
    """Whatever it is: a thread that ended without a word would leave every future waiting."""
    failed, told = [], threading.Event()

    def handler():
        os.read(near, 1)
        raise error("in a handler")

    def turn():
        if told.is_set():
            raise Over

    def take(raised):
        failed.append(raised)
        told.set()

    near, far = os.pipe()
    receiver = Receiver("test", turn, take)
    receiver.add(near, handler)
    receiver.start()
    os.write(far, b"x")
    receiver.join()
    os.close(near)
    os.close(far)
    assert [type(each) for each in failed] == [error]


def test_an_alarm_may_be_over_before_it_is_set(monkeypatch):
    """Who sets one may be so slow that the thread has taken it, and waits for nothing more."""
    done = threading.Event()

    def turn():
        if done.is_set():
            raise Over

    def push(alarms, alarm):
        heapq.heappush(alarms, alarm)
        receiver.wake()
        assert done.wait(10)

    receiver = Receiver("test", turn, lambda error: None)
    receiver.start()
    heap = types.SimpleNamespace(heappush=push, heappop=heapq.heappop)
    monkeypatch.setattr(module, "heapq", heap)
    try:
        receiver.at(0.0, done.set)
    finally:
        receiver.wake()
        receiver.join()
