"""A pool whose workers are no processes: tests read what these are sent, answer, and end them."""

from __future__ import annotations

import pickle
import socket
import threading
from contextlib import contextmanager

from workerstate.engine import wire
from workerstate.engine.payload import PLAIN
from workerstate.engine.pool import Pool
from workerstate.engine.workers import Worker

NOBODY = 1 << 30  # above the process ids that the kernel gives
SOON = 10  # seconds within which everything here happens


class FakeSource:
    """Starts workers that do nothing.

    Attributes:
        error: what the next start raises, once.
        slow: whether workers that are started from now on never come.
        stopped: the pool has ended.
    """

    single = early = False
    shared = None

    def __init__(self):
        self.error = None
        self.slow = self.stopped = False
        self._workers = []

    def open(self, pool):
        for slot in pool.places.slots:
            pool.places.start(slot)

    def start(self, slot):
        error, self.error = self.error, None
        if error is not None:
            raise error
        if self.slow:
            return None
        near, far = wire.pair()
        self._workers.append(Worker(slot, near, inbox=far, pid=NOBODY + slot.number))
        return self._workers[-1]

    def starting(self):
        return ()

    def stop(self, *, at_once):
        self.stopped = True
        for each in self._workers:
            each.close()
        self._workers.clear()


@contextmanager
def fake_pool(workers=1, **kwargs):
    """Give a pool, and end it."""
    pool = Pool(FakeSource(), workers, **kwargs)
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, at_once=True)
        pool.receiver._thread.join(SOON)
        assert not pool.receiver.alive


def worker_of(pool, number=0):
    """Give the worker that runs in a place."""
    return pool.places.slots[number].running


def numbers_of(worker):
    """Give the numbers of the tasks that a worker has, packet by packet."""
    return [list(packet.tasks) for packet in worker.packets]


def read(worker):
    """Have a worker take the packet that it was sent first; give the numbers of its tasks."""
    buffer = memoryview(bytearray(wire.BUFFER))
    size, _ = wire.receive(worker.inbox, buffer, socket.MSG_DONTWAIT)
    return [number for number, _ in wire.unpack_tasks(buffer[:size])[1]]


def answer(worker, *values):
    """Have a worker answer its first packet."""
    numbers = numbers_of(worker)[0]
    rows = [
        (number, wire.VALUE, 0, plain(value)) for number, value in zip(numbers, values, strict=True)
    ]
    worker.inbox.send(wire.pack_results(rows, last=True, seconds=0.0))


def plain(value):
    """Give a result as a worker sends a small one."""
    return bytes([PLAIN]) + pickle.dumps(value)


def end(pool, worker, status):
    """Have the pool's thread see a worker's end, and wait until it has."""
    seen = threading.Event()

    def bury():
        try:
            pool.hearing.bury(worker, status)
        finally:
            seen.set()

    pool.receiver.at(0.0, bury)
    assert seen.wait(SOON)


def kind(future):
    """Give the type of what comes of a future: that of its error, or of its result."""
    try:
        return type(future.result(SOON))
    except BaseException as error:
        return type(error)
