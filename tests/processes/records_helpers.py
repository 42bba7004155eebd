"""A hub whose records are kept, workers that are always ended, and a look at what is left."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import re
import select
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import records_workers

from workerstate.records.hub import Hub

DEADLINE = 60.0
HERE = Path(__file__).parent
METHODS = ["fork", "spawn", "forkserver"]
if importlib.util.find_spec("loky"):
    METHODS.append("loky")
NUMBER = re.compile(r"\bn=(\d+)")


class Keeper(logging.Handler):
    """Keeps the records it handles."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def messages(self) -> list[str]:
        return [record.getMessage() for record in self.records]

    def numbers(self) -> dict[int | None, list[int]]:
        """The numbers that each process has logged, in the order they came."""
        found: dict[int | None, list[int]] = {}
        for record in self.records:
            match = NUMBER.search(record.getMessage())
            if match:
                found.setdefault(record.process, []).append(int(match[1]))
        return found


@contextlib.contextmanager
def keeping() -> Iterator[tuple[Hub, Keeper]]:
    """Give a hub, and a keeper as the root logger's only handler."""
    root, keeper = logging.getLogger(), Keeper()
    handlers, level = root.handlers[:], root.level
    root.handlers[:] = [keeper]
    root.setLevel(logging.INFO)
    hub = Hub()
    try:
        yield hub, keeper
    finally:
        hub.stop(5)
        root.handlers[:] = handlers
        root.setLevel(level)


class Crew:
    """Workers that are killed at the end, if they have not ended by then."""

    def __init__(self) -> None:
        self.processes: list = []

    def start(self, method: str, function, *args, **kwargs):
        process = records_workers.context(method).Process(target=function, args=args, kwargs=kwargs)
        process.start()
        self.processes.append(process)
        return process

    def run(self, method: str, function, *args, **kwargs) -> int | None:
        process = self.start(method, function, *args, **kwargs)
        process.join(DEADLINE)
        return process.exitcode

    def join(self) -> list[int | None]:
        for process in self.processes:
            process.join(DEADLINE)
        return [process.exitcode for process in self.processes]

    def close(self) -> None:
        for process in self.processes:
            if process.is_alive():
                process.kill()
            process.join(DEADLINE)


@pytest.fixture
def crew() -> Iterator[Crew]:
    """Start workers, and let none outlive the test."""
    crew = Crew()
    yield crew
    crew.close()


@pytest.fixture
def kept() -> Iterator[tuple[Hub, Keeper]]:
    """A hub, and the handler that keeps what workers log."""
    with keeping() as both:
        yield both


@pytest.fixture(autouse=True, scope="module")
def no_fork_server_left() -> Iterator[None]:
    """The fork server ends with the module's tests."""
    yield
    from multiprocessing import forkserver

    forkserver._forkserver._stop()


def program(call: str, **options) -> subprocess.Popen:
    """Start a Python program that calls something of records_workers."""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])}
    code = f"import records_workers; records_workers.{call}"
    return subprocess.Popen(
        [sys.executable, "-c", code], env=environ, text=True, stdout=subprocess.PIPE, **options
    )


def wait_for_end(pids: list[int], seconds: float) -> list[int]:
    """Wait until processes that need not be our children have ended; give those that have not."""
    deadline = time.monotonic() + seconds
    alive = []
    for pid in pids:
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            waiter = select.poll()
            waiter.register(fd, select.POLLIN)
            if not waiter.poll(max(0.0, deadline - time.monotonic()) * 1000):
                alive.append(pid)
        finally:
            os.close(fd)
    return alive


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith("workerstate")]


def folders(pid: int) -> list[str]:
    """The directories that hubs of that process have made and not removed."""
    prefix = f"workerstate-records-{pid}-"
    return [name for name in os.listdir(tempfile.gettempdir()) if name.startswith(prefix)]
