"""Unit: what a worker says of its tasks arrives, whatever the program's code does on the way."""

from __future__ import annotations

import copyreg
import io
import os
import pickle
import types
from dataclasses import dataclass

import pytest

from workerstate import ResultError, WorkerStartError
from workerstate.engine import outcomes, payload, serving, wire
from workerstate.engine.arena import Arena
from workerstate.engine.board import Board
from workerstate.engine.hearing import Hearing, Unreadable
from workerstate.engine.tasks import NONE, Task
from workerstate.errors import WorkerTracebackError

BIG = 1 << 20
BIRTH = types.SimpleNamespace(fleet="", drift=None)
TASK = Task(payload.Encoded(b""), abs, 0, NONE)
WORKER = types.SimpleNamespace(slot=types.SimpleNamespace(number=0), pid=1)


@pytest.fixture
def arena():
    made = Arena()
    yield made
    made.close()


def no_room(size):
    return -1, 0


def replace(data):
    """Let go of an argument, and give something as big."""
    del data
    return bytearray(BIG)


def test_nothing_is_free_before_its_task_has_ended(arena):
    """What it has let go of is told with its result, or later: else it could be told twice."""
    near, far = wire.pair()
    board = Board(1)
    server = serving.Server(far, arena, board.cell(0), BIRTH, None)
    calls = [(abs, (1,)), (replace, (bytearray(BIG),))]
    sent = [payload.encode((*call, {}, None), arena, lambda size: (5, 0)) for call in calls]
    near.send(wire.pack_tasks(-1, [(number, each.data) for number, each in enumerate(sent, 1)]))
    server.serve_one()
    ended, freed, is_last = [], {}, False
    buffer = memoryview(bytearray(wire.BUFFER))
    while not is_last:
        size, fd = wire.receive(near, buffer)
        if fd >= 0:
            os.close(fd)
        packet = wire.Results(buffer[:size])
        is_last = packet.last
        ended += [number for number, *_ in packet.results]
        freed.update({window: list(ended) for window in packet.freed})
    assert freed == {5: [1, 2]}
    near.close()
    far.close()
    board.close()


OPENED = []


def open_file():
    OPENED.append(io.FileIO("/dev/zero"))


def fail():
    raise ValueError("no such thing")


class Reads:
    """Something that calls a function where it is read."""

    def __init__(self, call):
        self.call = call

    def __reduce__(self):
        return self.call, ()


def test_what_is_opened_while_a_result_is_read_stays_open(arena):
    """Its own file is closed by then, once, though reading it fails in the end."""
    value = [Reads(open_file), bytearray(BIG), Reads(fail)]
    sent = payload.encode(value, arena, no_room)
    hearing = Hearing(types.SimpleNamespace(arena=arena))
    *_, found = hearing._row(1, wire.VALUE, memoryview(sent.data), sent.fd)
    assert isinstance(found, Unreadable)
    with OPENED.pop() as file:
        assert file.read(3) == bytes(3)


class MuteError(Exception):
    """An error whose own text fails."""

    def __str__(self):
        return self.detail


def fail_mutely():
    raise MuteError


def test_a_result_that_fails_to_be_read_without_a_text():
    """The task is told the type of what went wrong, and which task it was."""
    raised = "raised", pickle.dumps(Reads(fail_mutely)), "ValueError: no such thing"
    for error in (
        outcomes.unreadable(MuteError(), TASK, WORKER),
        outcomes.error_of(raised, TASK, WORKER),
    ):
        assert isinstance(error, ResultError)
        assert "MuteError, which can't be shown" in str(error)


@dataclass(frozen=True)
class FixedError(Exception):
    """Takes no attribute, not even those that every exception has."""


@dataclass(frozen=True)
class FixedFactError(FixedError):
    """One that can't even be unpickled."""

    code: int


@pytest.mark.parametrize("error", [FixedError(), FixedFactError(3)], ids=["read", "unread"])
def test_an_error_that_takes_no_attributes_is_told(error, monkeypatch):
    """A worker doesn't end for it; it arrives, or what it was does, with its traceback."""
    # distributed has every exception class pickled in a way of its own, which sets attributes.
    monkeypatch.delitem(copyreg.dispatch_table, type(error), raising=False)
    try:
        raise error
    except FixedError:
        said = serving.said(error)
    found = outcomes.error_of(said, TASK, WORKER)
    if type(error) is FixedError:
        assert type(found) is FixedError
    else:
        assert type(found) is ResultError
        assert "raised FixedFactError: 3" in str(found)
    assert isinstance(found.__cause__, WorkerTracebackError)
    assert "raise error" in str(found.__cause__)


def test_a_failure_however_long_arrives():
    """Of why a worker could not start, what is too long for a packet is cut in its middle."""
    near, far = wire.pair()
    reason = "begins" + "x" * (2 * wire.BUFFER) + "ends"
    wire.tell_failure(far, WorkerStartError(1, 2, "step", reason, reason, reason.encode()))
    buffer = memoryview(bytearray(wire.BUFFER))
    size, _ = wire.receive(near, buffer)
    ((_, _, _, data),) = wire.Results(buffer[:size]).results
    found = pickle.loads(data)
    assert type(found) is WorkerStartError
    assert found.args[:3] == (1, 2, "step")
    assert "begins" in str(found)
    assert "ends" in str(found)
    assert len(str(found)) < len(reason)
    near.close()
    far.close()
