"""Workers and parents that die, stall, misbehave or are strangers: no record lost, nobody hangs."""

from __future__ import annotations

import contextlib
import logging
import marshal
import os
import random
import signal
import socket
import stat
import subprocess
import sys
import threading
import time

import pytest
import records_workers as workers
from records_helpers import (
    DEADLINE,
    METHODS,
    Keeper,
    crew,
    folders,
    keeping,
    kept,
    no_fork_server_left,
    program,
    wait_for_end,
)

from workerstate.records import listener, wire
from workerstate.records.hub import Hub
from workerstate.records.rendezvous import MAGIC, RECORDS, Address, Hello, knock

__all__ = ["crew", "kept", "no_fork_server_left"]  # fixtures

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")


class Then(Keeper):
    """Keeps records, and does something when the record of that number is handled."""

    def __init__(self, count: int, action) -> None:
        super().__init__()
        self.count, self.action = count, action

    def emit(self, record: logging.LogRecord) -> None:
        super().emit(record)
        if len(self.records) == self.count:
            self.action()


class Slow(Keeper):
    def emit(self, record: logging.LogRecord) -> None:
        super().emit(record)
        time.sleep(0.0005)  # the fault itself, not a wait for something


# Python 3.12 warns, and it is what these tests are about.
forks_with_threads = pytest.mark.filterwarnings(
    "ignore:.*multi-threaded, use of fork:DeprecationWarning"
)


def use(handler: logging.Handler) -> None:
    logging.getLogger().handlers[:] = [handler]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_worker_killed_in_mid_stream_harms_no_other(method, seed, crew, kept):
    """The survivors' records all arrive; the victim's up to some record, none missing."""
    hub, _ = kept
    moment = random.Random(seed).randrange(1, 8000)
    keeper = Then(moment, lambda: os.kill(pids["victim"], signal.SIGKILL))
    use(keeper)
    pids: dict[str, int] = {}
    with keeper.lock:  # so that none of its records is handled before its pid is known
        victim = crew.start(method, workers.numbered, hub.address(), 0, 10**9)
        pids["victim"] = victim.pid
    others = [
        crew.start(method, workers.numbered, hub.address(), n, 5000, size=seed * 300)
        for n in (1, 2, 3)
    ]
    crew.join()
    assert hub.drain(DEADLINE)
    numbers = keeper.numbers()
    assert [numbers[other.pid] for other in others] == [list(range(5000))] * 3
    assert numbers.get(victim.pid, []) == list(range(len(numbers.get(victim.pid, []))))
    assert hub.torn <= 1


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_parent_that_stops_listening_holds_nobody_up(method, crew, tmp_path):
    """Its workers log to stderr, say so once, and end when they would have."""
    context = workers.context(method)
    begun, told = context.Semaphore(0), context.Event()
    path = tmp_path / "stderr"
    with keeping() as (hub, keeper):
        process = crew.start(method, workers.until_told, hub.address(), str(path), begun, told)
        assert begun.acquire(timeout=DEADLINE)
        assert not hub.stop(0)
    told.set()
    assert crew.join() == [0]
    lines = path.read_text().splitlines()
    assert "no longer reach their parent" in lines[0]
    assert lines[1].startswith("INFO app.worker [")
    assert f" {process.pid}] n=" in lines[1]
    got = keeper.numbers()[process.pid]
    assert got == list(range(len(got)))


@pytest.mark.parametrize("method", METHODS)
def test_orphans_end(method, tmp_path):
    """A parent killed by SIGKILL leaves workers that go on, and end, by themselves."""
    call = f"a_parent({str(tmp_path / 'log')!r}, {method!r}, 100_000, 'wait')"
    with program(call, stderr=subprocess.DEVNULL) as parent:
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        parent.kill()
        parent.wait(DEADLINE)
    try:
        assert wait_for_end(pids, DEADLINE) == []
    finally:
        for pid in wait_for_end(pids, 0):
            os.kill(pid, signal.SIGKILL)


def test_what_a_killed_parent_leaves_is_removed_by_the_next(tmp_path):
    """Its directory, and nothing else, remains until another hub starts."""
    with program(f"a_parent({str(tmp_path / 'log')!r}, 'fork', 10, 'wait')") as parent:
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(folders(parent.pid)) == 1
        parent.kill()
        parent.wait(DEADLINE)
    assert wait_for_end(pids, DEADLINE) == []
    Hub().stop(5)
    assert folders(parent.pid) == []


def test_the_directories_of_others_are_not_touched(tmp_path, monkeypatch):
    """Neither a living hub's, nor one that another user made, nor what is no directory."""
    monkeypatch.setattr(listener.tempfile, "tempdir", str(tmp_path))
    living = Hub()
    try:
        (tmp_path / f"{listener.PREFIX}1-file").write_text("mine")
        (tmp_path / f"{listener.PREFIX}1-link").symlink_to(tmp_path)
        before = sorted(os.listdir(tmp_path))
        Hub().stop(5)
        assert sorted(os.listdir(tmp_path)) == before
        assert living.drain(DEADLINE)
        assert living.refused == 0
    finally:
        living.stop(5)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_stopped_parent_loses_nothing(method, tmp_path):
    """SIGSTOP for a second: the workers wait, and all is written after."""
    path = tmp_path / "log"
    with program(f"a_parent({str(path)!r}, {method!r}, 30_000, 'join')") as parent:
        parent.stdout.readline()
        parent.send_signal(signal.SIGSTOP)
        try:
            os.waitid(os.P_PID, parent.pid, os.WSTOPPED)
            time.sleep(1.0)  # the fault itself
        finally:
            parent.send_signal(signal.SIGCONT)
        assert parent.wait(DEADLINE) == 0
    lines = [line.split()[1:3] for line in path.read_text().splitlines()]
    for worker in ("w=0", "w=1"):
        assert [n for w, n in lines if w == worker] == [f"n={n}" for n in range(30_000)]


def test_a_slow_parent_makes_workers_wait(crew, kept):
    """By default: more than a pipe holds, and nothing lost."""
    hub, _ = kept
    keeper = Slow()
    use(keeper)
    for worker in range(2):
        crew.start("fork", workers.numbered, hub.address(), worker, 1000, size=3500)
    assert crew.join() == [0, 0]
    assert hub.drain(DEADLINE)
    assert list(keeper.numbers().values()) == [list(range(1000))] * 2
    assert hub.dropped == 0


@pytest.mark.parametrize("size", [1000, 9000])
def test_a_slow_parent_may_lose_what_is_counted(size, crew, kept):
    """With on_full="drop" what didn't arrive is counted, told by a record, never disordered."""
    hub, _ = kept
    keeper = Slow()
    use(keeper)
    process = crew.start(
        "fork", workers.numbered, hub.address(), 0, 5000, size=size, on_full="drop"
    )
    assert crew.join() == [0]
    assert hub.drain(DEADLINE)
    got = keeper.numbers()[process.pid]
    assert got == sorted(set(got))
    assert hub.dropped > 0
    assert len(got) + hub.dropped == 5000
    told = [r for r in keeper.records if r.name == "workerstate.records"]
    assert sum(r.args[1] for r in told) == hub.dropped
    assert hub.torn == 0


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_exceptions_thrown_into_emit_tear_nothing(method, crew, kept):
    """250 of them, by a signal handler: each record arrives once or not at all, in order."""
    hub, keeper = kept
    assert crew.run(method, workers.exceptions_in_emit, hub.address(), 250) == 0
    assert hub.drain(DEADLINE)
    (got,) = keeper.numbers().values()
    assert got == sorted(set(got))
    assert keeper.messages()[-1] == "thrown=250"
    assert keeper.records[-1].caught >= 150  # the rest while a message was rendered
    assert hub.torn == 0


@pytest.mark.parametrize("attempt", range(5))
def test_last_words_of_a_signal_handler_inside_emit(attempt, crew, kept):
    """A SIGTERM handler's record is sent at once, since the handler may end the process."""
    hub, keeper = kept
    assert crew.run("fork", workers.last_words_in_a_signal_handler, hub.address()) == 0
    assert hub.drain(DEADLINE)
    (got,) = keeper.numbers().values()
    assert got == list(range(len(got)))
    assert keeper.messages()[-1] == "last words"


@forks_with_threads
def test_a_parent_that_forks_while_its_threads_log(crew, kept):
    """A worker forked at any moment logs and ends."""
    hub, keeper = kept
    stop = threading.Event()

    def log() -> None:
        while not stop.is_set():
            logging.getLogger("parent").info("busy")

    busy = [threading.Thread(target=log) for _ in range(3)]
    for each in busy:
        each.start()
    try:
        for worker in range(30):
            crew.start("fork", workers.numbered, hub.address(), worker, 20, "sigkill")
        crew.join()
    finally:
        stop.set()
        for each in busy:
            each.join(DEADLINE)
    assert hub.drain(DEADLINE)
    assert list(keeper.numbers().values()).count(list(range(20))) == 30


@forks_with_threads
def test_a_worker_that_forks_while_its_threads_log(crew, kept):
    """Its children connect on their own; its threads' records stay whole and in order."""
    hub, keeper = kept
    assert crew.run("spawn", workers.threads_and_forks, hub.address(), 3, 50) == 0
    assert hub.drain(DEADLINE)
    children = [r for r in keeper.records if hasattr(r, "own")]
    assert sorted(r.getMessage() for r in children) == sorted(f"child={n}" for n in range(50))
    assert all(r.process == r.own for r in children)
    for thread in range(3):
        words = f"thread={thread} "
        got = [int(m.split("n=")[1]) for m in keeper.messages() if m.startswith(words)]
        assert got == list(range(len(got)))
        assert got
    assert hub.reconnected == 50


@forks_with_threads
def test_a_fork_while_a_lock_is_held(crew, kept):
    """Logging's own lock and a handler's, held by another thread: the worker logs and ends."""
    hub, keeper = kept
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with keeper.lock:
            held.set()
            release.wait(DEADLINE)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(DEADLINE)
    process = crew.start("fork", workers.numbered, hub.address(), 0, 5)
    process.join(DEADLINE)
    release.set()
    holder.join(DEADLINE)
    assert process.exitcode == 0
    assert hub.drain(DEADLINE)
    assert keeper.numbers() == {process.pid: list(range(5))}


def test_a_worker_whose_descriptors_are_closed(crew, kept, tmp_path):
    """It connects anew, and no frame gets into the file that took the number of the pipe."""
    hub, keeper = kept
    path = tmp_path / "file"
    assert crew.run("fork", workers.descriptors_closed, hub.address(), str(path)) == 0
    assert hub.drain(DEADLINE)
    files = list(tmp_path.iterdir())
    assert len(files) == 100
    assert not any(file.stat().st_size for file in files)
    assert keeper.messages() == ["before", "after", "after that"]


def test_a_worker_without_descriptors(crew, kept, tmp_path):
    """It can't connect: its records go to stderr until it can."""
    hub, keeper = kept
    path = tmp_path / "stderr"
    assert crew.run("fork", workers.without_descriptors, hub.address(), str(path)) == 0
    assert hub.drain(DEADLINE)
    assert "no descriptors" in path.read_text()
    assert keeper.messages() == ["descriptors again"]


def test_a_hub_that_has_stopped_before_the_worker_starts(crew, tmp_path):
    """The worker's install says so, and the records go to stderr."""
    with keeping() as (hub, _):
        address = hub.address()
    path = tmp_path / "stderr"
    assert crew.run("fork", workers.to_a_hub_that_was_stopped, address, str(path)) == 0
    assert "WARNING app.worker" in path.read_text()


def test_a_pipe_that_a_stray_process_holds_open(crew, tmp_path):
    """The hub has gone, but the pipe never breaks: the worker notices while it waits for room."""
    context = workers.context("fork")
    begun, told = context.Semaphore(0), context.Event()
    path = tmp_path / "stderr"
    with keeping() as (hub, _):
        crew.start("fork", workers.until_told, hub.address(), str(path), begun, told, 3000)
        assert begun.acquire(timeout=DEADLINE)
        assert hub.drain(DEADLINE)
        stray = os.dup(hub._intake.channels[0].fd)
        hub.stop(0)
    try:
        deadline = time.monotonic() + DEADLINE
        while "no longer reach" not in path.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        told.set()
        assert crew.join() == [0]
        os.close(stray)


def test_a_child_that_never_logs_keeps_no_pipe_open(crew, kept):
    """The hub sees a worker's end although a process forked from it lives on."""
    hub, keeper = kept
    told = workers.context("fork").Event()
    worker = crew.start("fork", workers.leaving_a_child, hub.address(), told)
    try:
        assert wait_for_end([worker.pid], DEADLINE) == []
        assert hub.drain(DEADLINE)
        assert hub.stop(DEADLINE / 2)
        assert keeper.messages() == ["before the fork"]
    finally:
        told.set()


def test_a_forked_process_keeps_no_end_of_the_hub(kept):
    """Pipes of other workers break when the hub stops, whoever has been forked in between."""
    hub, _ = kept
    end = knock_as(hub.address(), hub.address().token)
    assert hub.drain(DEADLINE)
    ready, go = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(ready[1], b"r")
        os.close(go[1])
        os.read(go[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    hub.stop(0)
    try:
        with pytest.raises(BrokenPipeError):
            os.write(end, b"x")
    finally:
        for fd in (*ready, *go, end):
            os.close(fd)
        os.waitpid(pid, 0)


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt])
def test_a_handler_that_raises_ends_nothing(error, crew, kept, capsys):
    """The next record is handled, and the error is printed as logging prints it."""
    hub, _ = kept

    def throw() -> None:
        raise error("from a handler")

    keeper = Then(1, throw)
    use(keeper)
    assert crew.run("fork", workers.numbered, hub.address(), 0, 100) == 0
    assert hub.drain(DEADLINE)
    assert list(keeper.numbers().values()) == [list(range(100))]
    assert error.__name__ in capsys.readouterr().err


def test_a_handler_that_calls_the_hub(crew, kept):
    """A drain in a handler can't be, and says so instead of waiting for itself."""
    hub, _ = kept
    answers: list[bool] = []
    keeper = Then(1, lambda: answers.append(hub.drain(DEADLINE)))
    use(keeper)
    assert crew.run("fork", workers.numbered, hub.address(), 0, 100) == 0
    while not answers and hub.received < 100:
        assert threads_alive()
    assert hub.drain(DEADLINE)
    assert list(keeper.numbers().values()) == [list(range(100))]


@forks_with_threads
def test_a_handler_that_never_returns(crew):
    """Neither drain nor stop nor a fork waits for it longer than its time."""
    release = threading.Event()
    with keeping() as (hub, _):
        use(Then(1, lambda: release.wait(DEADLINE)))
        assert crew.run("fork", workers.numbered, hub.address(), 0, 5) == 0
        stuck = hub._reader._thread
        assert not hub.drain(0.1)
        assert crew.run("fork", os.getpid) == 0
        assert not hub.stop(0.1)
        release.set()
        stuck.join(DEADLINE)
        assert not stuck.is_alive()


def test_a_hub_that_can_start_no_thread(crew, monkeypatch):
    """As at the interpreter's end: whoever drains or stops does the reading."""

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    with keeping() as (hub, keeper):
        monkeypatch.setattr(threading.Thread, "start", refuse)
        assert crew.run("fork", workers.numbered, hub.address(), 0, 100) == 0
        assert hub.drain(DEADLINE)
        assert list(keeper.numbers().values()) == [list(range(100))]
        assert hub.stop(DEADLINE)


@forks_with_threads
def test_forks_while_the_hub_stops(crew):
    """A fork and a stop at the same moment: the hub ends, and so does its thread."""
    for _ in range(20):
        with keeping() as (hub, _):
            forking = threading.Thread(target=lambda: os.waitpid(fork_and_exit(), 0))
            forking.start()
            assert hub.stop(DEADLINE)
            forking.join(DEADLINE)
            assert not threads_alive()


def fork_and_exit() -> int:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    return pid


def knock_as(address: Address, token: bytes, frames: bytes = b"") -> int:
    """Do what a worker does, with another token; give the write end of the pipe."""
    read_end, write_end = os.pipe()
    try:
        os.write(write_end, frames)
        knock(address.replace(token=token), Hello(RECORDS, os.getpid(), False), read_end)
    finally:
        os.close(read_end)
    return write_end


def evil(path: str) -> bytes:
    class Evil:
        def __reduce__(self):
            return (open, (path, "w"))

    record = logging.LogRecord("app", 20, "/p", 1, "evil", (), None)
    record.__dict__["payload"] = Evil()
    return wire.Encoder().encode(record, "evil")[0]


def test_a_stranger_without_the_token(kept, tmp_path):
    """Nothing it sent is read, let alone unpickled, and its pipe is closed."""
    hub, keeper = kept
    path = tmp_path / "made"
    end = knock_as(hub.address(), b"x" * 16, evil(str(path)))
    assert hub.drain(DEADLINE)
    with pytest.raises(BrokenPipeError):
        os.write(end, b"x")
    os.close(end)
    assert (hub.refused, hub.workers, keeper.records) == (1, 0, [])
    assert not path.exists()


@as_root
def test_another_user_can_not_even_knock(kept):
    """The directory is closed to others; were it open, the kernel tells who they are."""
    hub, _ = kept
    folder = os.path.dirname(hub.address().path)
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    assert as_nobody(lambda: os.close(knock_as(hub.address(), hub.address().token))) == 13
    os.chmod(folder, 0o755)
    os.chmod(hub.address().path, 0o777)
    assert as_nobody(lambda: say_hello_blindly(hub.address())) == 0
    assert hub.drain(DEADLINE)
    assert (hub.refused, hub.workers) == (1, 0)


def as_nobody(call) -> int:
    """Run ``call`` as another user in a forked process; give its errno."""
    pid = os.fork()
    if pid == 0:
        status = 99
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            call()
            status = 0
        except OSError as error:
            status = error.errno or 98
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def say_hello_blindly(address: Address) -> None:
    """Knock with the right token, without the worker's own look at who listens."""
    read_end, _ = os.pipe()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address.path)
        hello = Hello(RECORDS, os.getpid(), False).encode(address.token)
        with contextlib.suppress(BrokenPipeError):  # it was turned away already
            socket.send_fds(connection, [hello], [read_end])


def test_who_listens_is_checked_as_well(kept, monkeypatch):
    """A worker doesn't send to another user's hub."""
    hub, _ = kept
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(PermissionError, match="another user"):
        knock_as(hub.address(), hub.address().token)


@pytest.mark.parametrize("data", [b"", b"GET / HTTP/1.1", MAGIC + b"x" * 200], ids=repr)
def test_a_stranger_who_says_nonsense_or_nothing(data, kept, crew, monkeypatch):
    """It is turned away, and holds up no worker meanwhile."""
    monkeypatch.setattr(listener, "_PATIENCE", 0.2)
    hub, keeper = kept
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.connect(hub.address().path)
        stranger.sendall(data)
        assert crew.run("fork", workers.numbered, hub.address(), 0, 10) == 0
        assert hub.drain(DEADLINE)
        stranger.settimeout(DEADLINE)
        assert stranger.recv(1) == b""
    assert list(keeper.numbers().values()) == [list(range(10))]
    assert hub.refused == 1


def test_something_else_than_a_pipe_is_refused(kept, tmp_path):
    """A file would never end, nor ever be waited for."""
    hub, _ = kept
    with open(tmp_path / "file", "w") as file:
        knock(hub.address(), Hello(RECORDS, os.getpid(), False), file.fileno())
    assert hub.drain(DEADLINE)
    assert hub.refused == 1


@pytest.mark.parametrize(
    "data", [bytes(64), wire.HEADER.pack(32, 99, 0, 0, 0), wire.HEADER.pack(33, 1, 1, 0, 0) + b"?"]
)
def test_a_worker_whose_frames_can_not_be_read(data, kept, crew, capsys):
    """Its pipe is closed and the reason said; other workers notice nothing."""
    hub, keeper = kept
    end = knock_as(hub.address(), hub.address().token, data)
    assert crew.run("fork", workers.numbered, hub.address(), 0, 10) == 0
    assert hub.drain(DEADLINE)
    with pytest.raises(BrokenPipeError):
        os.write(end, b"x")
    os.close(end)
    assert list(keeper.numbers().values()) == [list(range(10))]
    assert "can't be read" in capsys.readouterr().err


@as_root
def test_a_user_whose_pipe_buffers_are_used_up():
    """Past pipe-user-pages-soft new pipes are small: slower, and nothing else."""
    assert as_nobody(hub_with_small_pipes) == 0


def hub_with_small_pipes() -> None:
    import fcntl

    pipes = [os.pipe() for _ in range(70)]
    for _, end in pipes:
        try:
            fcntl.fcntl(end, fcntl.F_SETPIPE_SZ, 1 << 20)
        except OSError:
            break
    with keeping() as (hub, keeper):
        pids = []
        for worker in range(3):
            pid = os.fork()
            if pid == 0:
                workers.numbered(hub.address(), worker, 500, "os._exit", size=3000)
            pids.append(pid)
        for pid in pids:
            os.waitpid(pid, 0)
        if not hub.drain(DEADLINE) or list(keeper.numbers().values()) != [list(range(500))] * 3:
            raise OSError(97, "not all arrived")


WITHOUT = """
import os, select, socket, sys, tempfile
del select.PIPE_BUF, select.poll, os.register_at_fork, os.geteuid, socket.AF_UNIX
sys.modules.update(dict.fromkeys(["fcntl", "termios"]))
from workerstate.records import hub, sender, stdio
try:
    hub.shared()
except Exception as error:
    print(type(error).__name__, error)
"""


def test_a_platform_without_unix_sockets():
    """As on Windows: all can be imported, and the error says what is missing and what to do."""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT],
        env=environ,
        timeout=DEADLINE,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("RecordsUnavailableError records of workers can't be carried")
    assert "AF_UNIX" in done.stdout
    assert "leave logging and stdio out of carry=" in done.stdout


def threads_alive() -> bool:
    return any(thread.name == "workerstate-records" for thread in threading.enumerate())


def test_unmarshalling_never_sees_a_stranger(kept, monkeypatch):
    """Not even the hello of someone with a wrong token is unmarshalled."""
    hub, _ = kept
    calls: list[object] = []
    monkeypatch.setattr(marshal, "loads", calls.append)
    os.close(knock_as(hub.address(), b"x" * 16))
    assert hub.drain(DEADLINE)
    assert hub.refused == 1
    assert calls == []
