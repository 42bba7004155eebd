"""Which windows and packets belong to whom, when tasks change hands."""

from __future__ import annotations

import pytest

from workerstate.engine import abandoning, leavings, recalling, wire
from workerstate.engine.arena import Arena
from workerstate.engine.board import Board
from workerstate.engine.dispatch import Dispatcher
from workerstate.engine.payload import LONGEST
from workerstate.engine.tasks import NONE, Task
from workerstate.engine.workers import Slot, Worker

BIG = bytes(2 * LONGEST)


@pytest.fixture
def dispatcher():
    arena = Arena()
    yield Dispatcher(arena, 2, renew=None, watch=None, by_call=False)
    arena.close()


@pytest.fixture
def workers():
    board, made = Board(2), []
    for number in range(2):
        near, far = wire.pair()
        made.append(Worker(Slot(number, board.cell(number)), near, inbox=far))
    yield made
    for each in made:
        each.close()
    board.close()


def task(dispatcher, value):
    return Task(dispatcher.encode((abs, (value,), {}, None), abs), abs, 0, NONE)


def free_windows(dispatcher):
    free = dispatcher.windows._free
    assert len(free) == len(set(free)), "a window was given back twice"
    return set(free)


def test_tasks_that_a_worker_leaves_take_their_windows_along(dispatcher, workers):
    """A window belongs to the worker that has the task now: the other's end doesn't free it."""
    first, second = workers
    one = task(dispatcher, BIG)
    dispatcher.pending.append(one)
    dispatcher.feed(first)
    left = wire.Results(memoryview(wire.pack_results([], last=True, seconds=0.0)))
    dispatcher.answered(first, left, [])
    dispatcher.feed(second)
    assert list(second.packets[0].tasks.values()) == [one]
    leavings.unwind(dispatcher, first)
    assert one.data.window not in free_windows(dispatcher)


def test_the_packet_that_is_taken_back_is_the_one_that_was_read(dispatcher, workers):
    """A worker that has read none of two packets keeps the one that it will read."""
    first, second = workers
    dispatcher._each = 0.001
    tasks = [task(dispatcher, number) for number in range(2)]
    dispatcher.pending.extend(tasks)
    dispatcher.feed(first)
    assert len(first.packets) == 2
    dispatcher.idle.append(second)
    dispatcher.busy.add(first)
    recalling.recall(dispatcher)
    buffer = memoryview(bytearray(wire.BUFFER))
    size, _ = wire.receive(first.inbox, buffer)
    (number, _) = wire.unpack_tasks(buffer[:size])[1][0]
    assert [list(packet.tasks) for packet in first.packets] == [[number]]
    assert sum(len(packet.tasks) for packet in second.packets) == 1
    free_windows(dispatcher)


@pytest.mark.parametrize("dropped", [1, 2])
def test_a_packet_is_taken_back_whose_tasks_were_given_up(dropped, dispatcher, workers):
    """The tasks of a call that failed are dropped; those beside them go to the idle worker."""
    first, second = workers
    dispatcher._each = 0.001
    tasks = [task(dispatcher, number) for number in range(4)]
    dispatcher._send(first, tasks[2:])
    dispatcher._send(first, tasks[:2])
    first.packets.reverse()
    for each in tasks[2 : 2 + dropped]:
        abandoning._drop(first.packets[1], each)
    dispatcher.idle.append(second)
    recalling.recall(dispatcher)
    moved = [each for packet in second.packets for each in packet.tasks.values()]
    assert moved == tasks[2 + dropped :]
    assert list(first.packets[0].tasks.values()) == tasks[:2]
    free_windows(dispatcher)
