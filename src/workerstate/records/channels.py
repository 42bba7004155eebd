"""What the parent reads from one worker: records for its handlers, or lines for its stdout."""

from __future__ import annotations

import logging
import math
import os
import select
import sys

from workerstate.records import variables
from workerstate.records.wire import Decoder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    Stop = Callable[[], bool]

# A read takes no more than this from one worker before the next has its turn.
READ_SIZE = 1 << 17
_LONGEST_LINE = 1 << 16


class Channel:
    """The read end of one worker's pipe.

    Attributes:
        fd: the descriptor, -1 when closed.
        pid: the worker's.
        taken: how many bytes have been read so far.
    """

    def __init__(self, fd: int, pid: int) -> None:
        self.fd = fd
        self.pid = pid
        self.taken = 0

    def read(self) -> bytes | None:
        """Give what is there: b"" at the worker's end, None if nothing is there now."""
        try:
            data = os.read(self.fd, READ_SIZE)
        except BlockingIOError:
            return None
        except OSError:
            return b""
        self.taken += len(data)
        return data

    def written(self) -> float:
        """Give how many bytes have been written so far; infinite if the worker has ended.

        Such a channel is done only when its end was read.
        """
        import fcntl
        import termios

        poller = select.poll()
        poller.register(self.fd, 0)
        if poller.poll(0):
            return math.inf
        found = fcntl.ioctl(self.fd, termios.FIONREAD, b"\0" * 4)
        return self.taken + int.from_bytes(found, sys.byteorder)

    def take(self, data: bytes) -> None:
        """Accept what was read; b"" says that no more will come."""
        raise NotImplementedError

    def deliver(self, stop: Stop) -> int:
        """Pass on what was taken, until done or until ``stop()``; give the number of records."""
        raise NotImplementedError

    @property
    def busy(self) -> bool:
        """Tell whether ``deliver`` was stopped before it was done."""
        return False

    def close(self) -> None:
        """Close the pipe: a worker that still writes finds it broken."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class _Last(dict[int, "logging.LogRecord"]):
    """The last record of each of the processes that began to log last."""

    def __setitem__(self, pid: int, record: logging.LogRecord) -> None:
        if len(self) >= 1000 and pid not in self:
            del self[next(iter(self))]
        super().__setitem__(pid, record)


last = _Last()


class RecordChannel(Channel):
    """The records of one worker, each handled as if it had been logged here."""

    def __init__(self, fd: int, pid: int) -> None:
        super().__init__(fd, pid)
        self.decoder = Decoder()
        self._records: Iterator[logging.LogRecord] | None = None
        self._told = 0

    def take(self, data: bytes) -> None:
        """Accept bytes; only when what was taken before has been delivered."""
        if data:
            self._records = self.decoder.feed(data)

    def deliver(self, stop: Stop) -> int:
        """Hand records to the loggers of their names.

        Raises:
            ValueError: the worker sent what can't be read; nothing more can be, then.
        """
        count = 0
        if self._records is not None:
            for record in self._records:
                handle(record)
                last[self.pid] = record
                count += 1
                if stop():
                    return count
            self._records = None
        if self.decoder.dropped > self._told:
            self._tell_drops()
        return count

    @property
    def busy(self) -> bool:
        """Tell whether ``deliver`` was stopped before it was done."""
        return self._records is not None

    def _tell_drops(self) -> None:
        count, self._told = self.decoder.dropped - self._told, self.decoder.dropped
        logging.getLogger("workerstate.records").warning(
            "worker process %d dropped %d log records because they came too fast", self.pid, count
        )


class LineChannel(Channel):
    """What one worker writes to stdout or stderr, passed on by whole lines.

    To ``sys.stdout`` or ``sys.stderr`` as they are at that moment: a notebook's, pytest's, or the
    terminal's.
    """

    def __init__(self, fd: int, pid: int, stream: str) -> None:
        super().__init__(fd, pid)
        self._stream = stream
        self._rest = b""
        self._lines = b""

    def take(self, data: bytes) -> None:
        """Accept bytes; a progress bar's carriage return ends a line, too."""
        whole = self._rest + data
        cut = max(whole.rfind(b"\n"), whole.rfind(b"\r")) + 1
        if not data or len(whole) - cut > _LONGEST_LINE:
            cut = len(whole)
        self._lines += whole[:cut]
        self._rest = whole[cut:]

    def deliver(self, stop: Stop) -> int:
        """Write the lines at once, so that those of two workers don't mix."""
        data, self._lines = self._lines, b""
        stream = getattr(sys, self._stream, None)
        if data and stream is not None:
            try:
                stream.write(data.decode("utf-8", "replace"))
                stream.flush()
            except Exception:  # closed, its reader has gone, or whatever a notebook's may raise
                pass
        return 0


def handle(record: logging.LogRecord) -> None:
    """Let the parent's logger of that name handle ``record``, by its levels, filters and handlers.

    Where the worker carries context variables, it is handled in a context that holds the worker's.
    An error of theirs is reported on stderr, as logging does, and is never the reader's end.
    """
    if variables.FIELD in record.__dict__:
        _handle_in_context(record)
        return
    # Asked anew each time: a test may have emptied the table, and the look-up is as fast as a
    # cache's.
    logger = logging.root.manager.loggerDict.get(record.name)
    if not isinstance(logger, logging.Logger):
        logger = logging.getLogger(record.name)
    try:
        if "_loguru" in record.__dict__ and _loguru(record):
            return
        if logger.isEnabledFor(record.levelno):
            factory = logging.getLogRecordFactory()
            if factory is not logging.LogRecord:
                _complete(record, factory)
            logger.handle(record)
    except BaseException:
        _report()


def _handle_in_context(record: logging.LogRecord) -> None:
    field = record.__dict__.pop(variables.FIELD)
    try:
        context = variables.context(field)
    except BaseException:  # such as a SystemExit from what a value's class does when it is loaded
        _report()
        handle(record)
    else:
        context.run(handle, record)


def _complete(record: logging.LogRecord, factory: Any) -> None:
    """Give a record what the parent's factory adds, where the worker has not had that factory."""
    made = factory(
        *(record.name, record.levelno, record.pathname, record.lineno, record.msg, (), None),
        func=record.funcName,
    )
    for name, value in vars(made).items():
        record.__dict__.setdefault(name, value)


def _loguru(record: logging.LogRecord) -> bool:
    from workerstate.records import loguru_bridge

    return loguru_bridge.reenter(record)


def _report() -> None:
    if logging.raiseExceptions and sys.stderr is not None:
        import traceback

        try:
            traceback.print_exc()
        except (OSError, ValueError):
            pass
