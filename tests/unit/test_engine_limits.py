"""Where the kernel refuses what the engine asks of it, parts of the engine do it another way."""

from __future__ import annotations

import errno
import mmap
import os
import pickle

import pytest

from workerstate.engine import processes, wire
from workerstate.engine.arena import PAGE, WINDOW, Arena, Windows
from workerstate.errors import TemplateError, WorkerStartError


def refuse(*args, **kwargs):
    raise OSError(errno.ENOMEM, "Cannot allocate memory")


@pytest.fixture
def arena():
    made = Arena()
    yield made
    made.close()


@pytest.mark.parametrize("size", [1, PAGE, 3 * PAGE + 5])
@pytest.mark.parametrize("window", [0, 2])
def test_memory_that_cannot_be_mapped_is_a_file(arena, window, size, monkeypatch):
    """What is written over, and read, is the same where no window can be mapped."""
    monkeypatch.setattr(mmap, "mmap", refuse)
    into = memoryview(bytearray(size))
    for data in (b"a" * size, b"b" * size):
        arena.write(window * WINDOW + PAGE, data)
        arena.copy(window * WINDOW + PAGE, into)
        assert bytes(into) == data


def test_a_map_that_is_there_goes_on(arena, monkeypatch):
    """A window that was mapped before shows what is written to others by the file."""
    arena.write(0, b"first")
    into = memoryview(bytearray(5))
    arena.copy(0, into)
    monkeypatch.setattr(mmap, "mmap", refuse)
    arena.write(WINDOW, b"other")
    arena.write(0, b"again")
    arena.copy(0, into)
    assert bytes(into) == b"again"
    arena.copy(WINDOW, into)
    assert bytes(into) == b"other"


def test_a_file_that_may_not_be_long_has_no_window(monkeypatch):
    """Where the size of files is limited, none is lent: what is big has a file of its own."""
    monkeypatch.setattr(os, "ftruncate", refuse)
    arena = Arena()
    assert Windows(arena).take() == -1
    arena.close()


@pytest.mark.parametrize("pid", [0, -1, -7])
def test_no_group_is_killed(pid, monkeypatch):
    """A number that kill(2) takes for many processes is refused, also under ``python -O``."""
    monkeypatch.setattr(os, "kill", lambda *args: pytest.fail(f"killed {args}"))
    with pytest.raises(ValueError, match=f"process id {pid}"):
        processes.kill(pid)


@pytest.mark.parametrize("failures", [1, 4, 5])
def test_a_fork_is_tried_again(failures, monkeypatch):
    """A limit that is reached for a moment is waited for; then the error says which it may be."""
    waited, tried = [], []

    def fork():
        tried.append(None)
        if len(tried) <= failures:
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        return 123

    monkeypatch.setattr(os, "fork", fork)
    monkeypatch.setattr("time.sleep", waited.append)
    if failures > len(processes.PAUSES):
        with pytest.raises(TemplateError, match=r"no worker can be forked.*ulimit -u"):
            processes.fork()
    else:
        assert processes.fork() == 123
    assert waited == list(processes.PAUSES[:failures])


def test_who_is_no_child_is_not_waited_for():
    """A process that has not come to this one is left to whoever is its parent."""
    processes.reap(os.getppid())


@pytest.mark.parametrize("length", [100, 400_000])
def test_a_failure_fits_a_packet(length):
    """However long what it quotes is, one packet takes it, and what it is about is still there."""
    text = "begin" + "x" * length + "end"
    failure = WorkerStartError(3, 1234, "the initializer", text, text, text.encode())
    data = wire.pickled_failure(failure)
    read = pickle.loads(data)
    assert len(data) <= wire.LONGEST
    assert read.args[:3] == failure.args[:3]
    assert (read.args[3][:5], read.args[3][-3:]) == ("begin", "end")
    assert (read.args == failure.args) == (length == 100)
