"""Which windows and packets belong to whom, when tasks change hands."""

from __future__ import annotations

import itertools
from _thread import RLock
from concurrent.futures import Future

import pytest

from workerstate import TaskPicklingError
from workerstate.engine import abandoning, arena, leavings, processes, recalling, wire
from workerstate.engine.arena import Arena
from workerstate.engine.board import Board
from workerstate.engine.dispatch import Dispatcher
from workerstate.engine.futures import TaskFuture
from workerstate.engine.mapping import Job
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


def job(*items, kind=Job):
    return kind(abs, list(items), False, None, 0, NONE, 1)


def sent_to(worker):
    return [each for packet in worker.packets for each in packet.tasks.values()]


def items_sent_to(worker):
    return [(each.job, each.start, each.size) for each in sent_to(worker)]


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


def test_a_map_does_not_wait_behind_what_was_cancelled(dispatcher, workers):
    """A worker that finds cancelled tasks before a map takes the map's first item."""
    cancelled, items = task(dispatcher, 1), job(1, 2)
    cancelled.future = TaskFuture(RLock())
    cancelled.future.cancel()
    dispatcher.pending.extend([cancelled, items])
    dispatcher.feed(workers[0])
    assert items_sent_to(workers[0]) == [(items, 0, 1)]


class GivenUp(Job):
    """A map that is given up, in another thread, just as its next items are taken."""

    def cut(self, workers):
        self.drop()
        return super().cut(workers)


def test_nothing_is_sent_of_a_map_that_is_given_up_just_now(dispatcher, workers):
    """The worker gets what comes after it, not a chunk without items."""
    follows = task(dispatcher, 1)
    dispatcher.pending.extend([job(1, 2, kind=GivenUp), follows])
    dispatcher.feed(workers[0])
    assert sent_to(workers[0]) == [follows]


class Interrupts:
    """Something that Ctrl-C interrupts while it is pickled."""

    def __reduce__(self):
        raise KeyboardInterrupt


def test_an_interrupt_while_a_map_is_pickled_loses_no_worker(dispatcher, workers):
    """Who waits for the map is interrupted too, and the worker takes what comes next."""
    interrupted, follows = job(Interrupts()), task(dispatcher, 1)
    dispatcher.idle.append(workers[0])
    with pytest.raises(KeyboardInterrupt):
        dispatcher.add(interrupted)
    assert dispatcher.idle == [workers[0]]
    with pytest.raises(KeyboardInterrupt):
        next(interrupted.results(10))
    dispatcher.add(follows)
    assert sent_to(workers[0]) == [follows]


class Does:
    """Something that calls a function where it is pickled."""

    def __init__(self, call):
        self.call = call

    def __reduce__(self):
        self.call()
        return int, ()


def test_an_item_may_submit_as_it_is_pickled(dispatcher, workers):
    """Idle workers that get that task are not given another; none is lost, and nothing twice."""
    submitted = []

    def submit():
        submitted.append(task(dispatcher, 1))
        dispatcher.add(submitted[-1])

    items = job(*[Does(submit) for _ in range(3)])
    dispatcher.idle.extend(workers)
    dispatcher.add(items)
    found = [*sent_to(workers[0]), *sent_to(workers[1]), *dispatcher.pending]
    assert [len(worker.packets) for worker in workers] == [1, 1]
    assert dispatcher.idle == []
    chunks = [each.start for each in found if isinstance(each, Task) and each.job is items]
    assert sorted(chunks) == list(range(items.next))
    assert {each for each in found if each in submitted} == set(submitted)
    assert items.over or items in found


class MuteError(Exception):
    """An error whose own text fails."""

    def __str__(self):
        return self.detail


def fail_mutely():
    raise MuteError


def test_an_error_without_a_text_is_told_by_its_type(dispatcher, workers):
    """What can't be pickled for such an error fails alone; of a map, that item does."""
    said = "MuteError, which can't be shown"
    with pytest.raises(TaskPicklingError, match=said):
        task(dispatcher, Does(fail_mutely))
    items = job(Does(fail_mutely), 2)
    dispatcher.pending.append(items)
    dispatcher.feed(workers[0])
    assert items_sent_to(workers[0]) == [(items, 0, 1)]
    assert said.encode() in sent_to(workers[0])[0].data.data


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_a_write_that_fails_lends_no_window(error, dispatcher, monkeypatch):
    """What was to have it is not sent; the window is free for another."""
    before = free_windows(dispatcher)

    def write(*args):
        raise error

    monkeypatch.setattr(arena, "write_all", write)
    with pytest.raises((KeyboardInterrupt, TaskPicklingError)):
        task(dispatcher, BIG)
    assert free_windows(dispatcher) == before


def test_numbers_begin_anew_where_they_end(dispatcher, workers):
    """After the last that a packet has room for comes 1: 0 means no task."""
    dispatcher._numbers = itertools.count((1 << 32) - 2)
    for _ in range(4):
        dispatcher._send(workers[0], [task(dispatcher, 1)])
    assert [each.number for each in sent_to(workers[0])] == [(1 << 32) - 2, (1 << 32) - 1, 1, 2]


def test_what_waits_and_is_given_up_is_run_by_nobody(dispatcher, workers, monkeypatch):
    """A call that failed takes back its tasks behind the one that runs, and what they took."""
    first, second = workers
    runs, waits = [task(dispatcher, BIG) for _ in range(2)]
    window = waits.data.window
    for each in (runs, waits):
        each.future = Future()
        dispatcher._send(first, [each])
    wire.receive(first.inbox, memoryview(bytearray(wire.BUFFER)))
    first.slot.cell.begin(runs.number)
    monkeypatch.setattr(processes, "kill", lambda pid: None)
    dispatcher.idle.append(second)
    assert abandoning._end(dispatcher, first, {runs.future, waits.future}) == [waits, runs]
    assert (second.tasks(), list(dispatcher.pending), first.tasks()) == ([], [], [])
    assert window in free_windows(dispatcher)
