"""The thread of a pool that waits for its workers."""

from __future__ import annotations

import os
import threading

import pytest

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
