"""Unit: memory that processes share, where threads end, close and write at once."""

from __future__ import annotations

import os
import struct

import pytest

from workerstate.engine import arena, board, payload, wire
from workerstate.engine.arena import Arena
from workerstate.engine.board import Board


@pytest.fixture
def shared():
    made = Arena()
    yield made
    made.close()


def test_what_is_written_late_goes_into_no_other_file(shared, monkeypatch):
    """A thread that is about to write as the arena is closed writes nothing of the program's."""
    number, write = shared.fd, arena.write_all
    opened = []

    def write_late(*args):
        shared.close()
        while not opened or opened[-1] < number:
            opened.append(os.memfd_create("own"))
        write(*args)

    monkeypatch.setattr(arena, "write_all", write_late)
    shared.write(0, b"task")
    assert opened[-1] == number
    assert {os.fstat(each).st_size for each in opened} == {0}
    for each in opened:
        os.close(each)


def test_a_number_is_never_seen_with_the_time_of_another(monkeypatch):
    """A task that has begun just now has not run as long as the one before: its time is first."""
    made = Board(1)
    cell = made.cell(0)
    cell.begin(6)
    monkeypatch.setattr(board, "monotonic", lambda: "no time")
    with pytest.raises(struct.error):
        cell.begin(7)
    assert cell.begun()[0] == 6
    made.close()


def test_however_many_buffers_fit_one_message(shared, monkeypatch):
    """Where there are so many that their places alone would be too long, they are in the pickle."""
    monkeypatch.setattr(payload, "SMALL", 1)
    value = [bytearray(b"x") for _ in range(25_000)]
    sent = payload.encode(list(map(payload.pickle.PickleBuffer, value)), shared, lambda n: (0, 0))
    assert len(sent.data) <= wire.LONGEST
    assert payload.decode(memoryview(sent.data), shared, -1, None) == value


class Busy(dict):
    """A table that another thread adds to whenever somebody goes through it."""

    def items(self):
        for each in super().items():
            self[object()] = None
            yield each


def test_what_others_do_meanwhile_keeps_no_window(shared, monkeypatch):
    """A task's threads make and drop arrays: each window comes back as soon as its array goes."""
    monkeypatch.setattr(payload, "_watching", Busy())
    gone = []
    held = [payload._watched(shared, number * arena.WINDOW, 1, gone.append) for number in range(3)]
    while held:
        held.pop()
    assert gone == [2, 1, 0]
    assert payload._watching == {}
