"""A worker's loop: take a packet of tasks, run them, send what came of it.

Nothing of a task's is kept beyond it, and nothing that a task raises ends the loop: what can't be
pickled is answered by an error that says so.
"""

from __future__ import annotations

import errno
import os
import sys
from time import perf_counter

from workerstate.engine import wire
from workerstate.engine.ending import leave_copy
from workerstate.engine.payload import decode, encode, pickled
from workerstate.errors import why
from workerstate.program import MAIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from workerstate.engine.arena import Arena
    from workerstate.engine.board import Cell
    from workerstate.engine.payload import Encoded
    from workerstate.mainmodule import Shared
    from workerstate.workerside import Birth

watcher: Any = None  # set where the program is observed (workerstate run)
LONGEST_WHY = 2000  # characters
FLUSH = 0.002  # seconds after which results are sent though more are to come


class Server:
    """Runs what comes through one socket.

    Args:
        end: the socket.
        arena: what is shared with the parent.
        cell: where this worker says what it is doing.
        birth: what it started with, for tasks that bring their spec's per-task part.
        shared: what the parent has of the main module.
    """

    def __init__(
        self, end: wire.Link, arena: Arena, cell: Cell, birth: Birth, shared: Shared | None
    ) -> None:
        self.end = end
        self.arena = arena
        self.cell = cell
        self.fleet = birth.fleet
        self.shared = shared
        if birth.drift is not None:
            from workerstate.drift.retiring import will_ask

            will_ask()
        self.buffer = memoryview(bytearray(wire.BUFFER))
        self._freed: list[int] = []
        self._grant = -1
        self._used = 0  # bytes of the grant

    def serve(self) -> None:
        """Run tasks until the parent closes the connection, or has gone, or drift ends it."""
        while self.serve_one() and not retiring():
            pass

    def serve_one(self) -> bool:
        """Run one packet of tasks; False where no more come."""
        if watcher is not None:
            watcher.asks()
        try:
            size, fd = wire.receive(self.end, self.buffer)
            if not size:
                return False
            self._run_packet(self.buffer[:size], fd)
        except ConnectionError:  # the parent has gone
            return False
        except OSError as error:
            if error.errno not in (errno.EBADF, errno.ENOTSOCK):
                raise
            return False  # a task has closed this socket
        return True

    def practise(self, data: bytes) -> None:
        """Run a task that nobody waits for, and send nothing."""
        _, tasks = wire.unpack_tasks(memoryview(wire.pack_tasks(-1, [(0, data)])))
        row, _ = self._run_task(*tasks[0], -1)
        wire.pack_results([row], last=True, seconds=0.0)

    def tell_imports(self, known: int) -> None:
        """Tell the parent which installed modules a task has imported, beyond the first ``known``.

        The program's own and the standard library's are not for the template to import: what
        comes with them may be the task's doing.
        """
        names = [name for name in list(sys.modules)[known:] if _is_installed(sys.modules[name])]
        if names:
            row = (0, wire.VALUE, 0, "\n".join(names)[: wire.LONGEST // 2].encode())
            packet = wire.pack_results([row], last=False, seconds=0.0, kind=wire.LEARNT)
            wire.send(self.end, packet)

    def _run_packet(self, packet: memoryview, fd: int) -> None:
        self._grant, tasks = wire.unpack_tasks(packet)
        self._used = 0
        began = sent = perf_counter()
        waiting: list[tuple[int, int, int, bytes]] = []
        final = len(tasks) - 1
        for index, (number, data) in enumerate(tasks):
            self.cell.begin(number)
            if index and (self.cell.stops_at() == number or retiring()):
                break
            row, own = self._run_task(number, data, fd)
            if own >= 0:  # a file of its own goes with a packet of its own
                # All at once: what it has let go of is not to be told before it has ended.
                self._send([*waiting, row], began, last=False, fd=own)
                waiting = []
                continue
            waiting.append(row)
            now = perf_counter()
            if index < final and (now - sent > FLUSH or not self.cell.keep(*row)):
                self._send(waiting, began, last=False)
                waiting, sent = [], now
        self._send(waiting, began, last=True)

    def _send(self, rows: list[Any], began: float, *, last: bool, fd: int = -1) -> None:
        if not rows and not last:
            return
        freed = self._freed[:4096]
        if freed:
            del self._freed[: len(freed)]  # more may be added at any moment
        took = perf_counter() - began
        packet = wire.pack_results(rows, last=last, seconds=took, freed=freed)
        wire.send(self.end, packet, (fd,) if fd >= 0 else ())
        if fd >= 0:
            os.close(fd)
        self.cell.sent()

    def _run_task(self, number: int, data: memoryview, fd: int) -> tuple[Any, int]:
        """Run one task; give its row for the packet, and its own file or -1."""
        try:
            task = decode(data, self.arena, fd, self._freed.append)
            if len(task) == 2:  # settings came first
                task = task[1]
        except BaseException as error:
            return self._row(number, wire.ERROR, _unread(error))
        chunk, pid = len(task) == 5, os.getpid()
        if watcher is not None:
            called = (run_items, (self.fleet, task)) if chunk else task[:2]
            watcher.begins(number, *called)
        try:
            value = run_items(self.fleet, task) if chunk else run(self.fleet, *task)
        except BaseException as error:
            if os.getpid() != pid:
                leave_copy(error)
            row = self._row(number, wire.ERROR, said(error))
        else:
            if os.getpid() != pid:
                leave_copy(None)
            row = self._result_row(number, value, chunk=chunk)
        if watcher is not None:
            watcher.ended(ok=row[0][1] == wire.VALUE)
        return row

    def _result_row(self, number: int, value: Any, *, chunk: bool) -> tuple[Any, int]:
        try:
            return self._row(number, wire.VALUE, value)
        except BaseException as error:
            if chunk:
                return self._row(number, wire.VALUE, _sendable(*value))
            return self._row(number, wire.ERROR, _unsendable(value, error))

    def _row(self, number: int, is_value: int, value: Any) -> tuple[Any, int]:
        found: Encoded = encode(value, self.arena, self._lend, 0, self.shared)
        return (number, is_value, found.size, found.data), found.fd

    def _lend(self, size: int) -> tuple[int, int]:
        from workerstate.engine.arena import PAGE, WINDOW

        start = (self._used + PAGE - 1) & -PAGE
        if self._grant < 0 or start + size > WINDOW:
            return -1, 0
        self._used = start + size
        return self._grant, start


def retiring() -> bool:
    """Tell whether drift has this worker end now."""
    module = sys.modules.get("workerstate.drift.retiring")
    return module is not None and bool(module.pending())


def _is_installed(module: object) -> bool:
    origin = getattr(getattr(module, "__spec__", None), "origin", None)
    return type(origin) is str and ("site-packages" in origin or "dist-packages" in origin)


def run(fleet: str, fn: Any, args: Any, kwargs: Any, mark: Any) -> Any:
    """Run one task, with its spec's per-task part if it brings a mark."""
    if mark is None:
        return fn(*args, **kwargs)
    from workerstate.workerside import Stamp
    from workerstate.workerside import run as run_declared

    fingerprint, settings, seed, call, key = mark
    return run_declared(Stamp(b"", fleet, fingerprint, settings, seed, call, key), fn, args, kwargs)


def run_items(fleet: str, chunk: Any) -> tuple[list[Any], dict[int, tuple[Any, ...]]]:
    """Run the tasks of a chunk; give their values, and by index what others raised instead."""
    fn, items, spread, mark, start = chunk
    if mark is not None:
        call, fn = fn, None
        index = start

        def fn(*args: Any) -> Any:
            nonlocal index
            index += 1
            return run(fleet, call, args, {}, (*mark[:4], index - 1))

    values: list[Any] = []
    failed: dict[int, tuple[Any, ...]] = {}
    add = values.append
    rest = iter(items)
    while True:
        try:
            if spread:
                for item in rest:
                    add(fn(*item))
            else:
                for item in rest:
                    add(fn(item))
            return values, failed
        except BaseException as error:
            failed[len(values)] = said(error)
            add(None)


def said(error: BaseException) -> tuple[Any, ...]:
    """Say what a task raised, in a way that is sure to arrive."""
    import pickle
    import traceback

    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    # In the parent either of these would end the program rather than fail the task.
    if isinstance(error, SystemExit):
        return "ended", f"called sys.exit({_shown(error.code)})", text
    if isinstance(error, KeyboardInterrupt):
        return "ended", "raised KeyboardInterrupt", text
    error.with_traceback(None)  # by assignment a class may refuse it (a frozen dataclass)
    first: BaseException | None = None
    for dumps in (pickle.dumps, _dumps_by_value):
        try:
            data = dumps(error)
            if dumps is _dumps_by_value or isinstance(pickle.loads(data), BaseException):
                return "raised", data, text
        except BaseException as reason:
            first = first or reason
    assert first is not None
    return "unsendable", f"raised {_why(error)}", _why(first), text


def _dumps_by_value(error: BaseException) -> bytes:
    """Pickle what is of a class that the parent sent by value, which alone can be read there."""
    if type(error).__module__ not in MAIN:
        raise TypeError("it can be pickled, but not read again")
    from workerstate import by_value

    return by_value.dumps(error)


def _unsendable(value: object, error: BaseException) -> tuple[Any, ...]:
    return "unsendable", f"returned a {type(value).__name__}", _why(error), ""


def _sendable(values: list[Any], failed: dict[int, Any]) -> tuple[list[Any], dict[int, Any]]:
    """Put an error in the place of each value of a chunk that can't be pickled."""
    for index, value in enumerate(values):
        try:
            pickled(value)
        except BaseException as error:
            values[index] = None
            failed[index] = _unsendable(value, error)
    return values, failed


def _unread(error: BaseException) -> tuple[Any, ...]:
    import traceback

    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return "unread", _why(error), text


def _why(error: BaseException) -> str:
    return why(error)[:LONGEST_WHY]


def _shown(value: object) -> str:
    """Give the text of a value whose own code may fail."""
    try:
        return repr(value)[:200]
    except BaseException:
        return f"a {type(value).__name__} that can't be shown"
