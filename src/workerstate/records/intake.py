"""All that the parent reads from, in one round after another; one thread at a time calls it."""

from __future__ import annotations

import os
import select
import selectors
import sys
import threading
import time

from workerstate.records.channels import READ_SIZE, Channel, LineChannel, RecordChannel
from workerstate.records.listener import Listener
from workerstate.records.rendezvous import RECORDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from workerstate.records.channels import Stop

# An unprivileged user has 64 MiB of pipe buffers (pipe-user-pages-soft in pipe(7)), after which
# every new pipe of that user has 8 KiB. One hub takes a quarter, and the first workers most of it.
_BUDGET = 16 << 20
_LEAST, _MOST = 1 << 16, 1 << 20


class Intake:
    """The listener and the channels of one hub, and what was counted of them.

    Attributes:
        listener: where workers knock.
        interrupted: set by another thread that wants ``pump`` to return soon (with ``wake``).
        received: records handled.
        reconnected: pipes of processes that were forked from a worker, or lost their own.
        torn: records whose worker died inside ``emit``.
        expected: workers that were launched and have not connected.
    """

    def __init__(self) -> None:
        self.listener = Listener()
        self.interrupted = False
        self.received = self.reconnected = self.torn = self.expected = 0
        self._expecting = threading.Lock()
        self._dropped = 0
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._channels: dict[Channel, int] = {}  # and the bytes of pipe buffer that it was given
        self._selector.register(self.listener, selectors.EVENT_READ)
        self._selector.register(self._wake_read, selectors.EVENT_READ)
        self._napper = select.poll()
        self._napper.register(self._wake_read, select.POLLIN)

    @property
    def channels(self) -> list[Channel]:
        """Give the channels of workers that are connected."""
        return list(self._channels)

    @property
    def dropped(self) -> int:
        """Give how many records workers have said they dropped."""
        records = [c for c in self._channels if isinstance(c, RecordChannel)]
        return self._dropped + sum(channel.decoder.dropped for channel in records)

    def wake(self) -> None:
        """Make a ``pump`` or ``nap`` in another thread return."""
        try:
            os.write(self._wake_write, b"w")
        except OSError:  # full: it will wake anyway
            pass

    def nap(self, milliseconds: int) -> None:
        """Wait that long, or until ``wake``, whatever workers write meanwhile.

        A write that must wake a sleeping reader takes 20 times as long as one that needn't.
        """
        self._napper.poll(milliseconds)

    def pump(self, timeout: float | None) -> bool:
        """Do one round: let workers in, read from each once, deliver; wait for the first.

        Returns:
            Whether some worker has written more than was read.
        """
        more = False
        for channel in [c for c in self._channels if c.busy]:
            self._deliver(channel)
            if self.interrupted:
                return True
        if self.listener.waiting():
            timeout = 0.1 if timeout is None else min(timeout, 0.1)
            self.admit()
        for key, _ in self._selector.select(timeout):
            if self.interrupted:
                return True
            if isinstance(key.data, Channel):
                more |= self.read(key.data)
            elif key.fileobj is self.listener:
                self.admit()
            else:
                self._sleep_off()
        return more

    def expect(self, count: int) -> None:
        """Add to the number of workers that were launched and have not connected."""
        with self._expecting:
            self.expected = max(0, self.expected + count)

    def admit(self) -> None:
        """Let in all who have knocked."""
        for hello, fd in self.listener.accept():
            channel: Channel
            if hello.kind == RECORDS:
                channel = RecordChannel(fd, hello.pid)
                if hello.again:
                    self.reconnected += 1
                else:
                    self.expect(-1)
            else:
                channel = LineChannel(fd, hello.pid, hello.kind)
            try:
                self._selector.register(fd, selectors.EVENT_READ, channel)
            except OSError:  # max_user_watches of epoll(7)
                channel.close()
                continue
            self._channels[channel] = _enlarge(fd, _BUDGET - sum(self._channels.values()))

    def read(self, channel: Channel, stop: Stop | None = None) -> bool:
        """Read from one channel once and deliver; give whether there may be more."""
        data = channel.read()
        if data is None:
            return False
        channel.take(data)
        self._deliver(channel, stop)
        if not data and not channel.busy:
            self._remove(channel)
        return len(data) == READ_SIZE

    def expecting(self) -> bool:
        """Tell whether some worker is known to be about to connect."""
        return self.expected > 0 or self.listener.waiting()

    def exhaust(self, seconds: float) -> None:
        """Read and deliver what is there in every channel, within ``seconds``, and close it."""
        end = time.monotonic() + seconds

        def late() -> bool:
            return time.monotonic() > end

        for channel in self.channels:
            goal = channel.written()
            while channel in self._channels and (channel.busy or channel.taken < goal):
                if late():
                    return
                if channel.busy:
                    self._deliver(channel, late)
                else:
                    self.read(channel, late)
            self._remove(channel)

    def close(self) -> None:
        """Close everything: workers that still write find their pipes broken."""
        for channel in self.channels:
            self._remove(channel)
        self.listener.close()
        self._close_own()

    def abandon(self) -> None:
        """Close this process's descriptors only; what a forked process does.

        Nothing is unregistered: the epoll object is shared with the parent, who still needs it.
        """
        for channel in self._channels:
            channel.close()
        self._channels.clear()
        self.listener.abandon()
        self._close_own()

    def _close_own(self) -> None:
        self._selector.close()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _deliver(self, channel: Channel, stop: Stop | None = None) -> None:
        try:
            self.received += channel.deliver(stop or self._is_interrupted)
        except Exception as error:
            if sys.stderr is not None:
                sys.stderr.write(
                    f"workerstate: records of process {channel.pid} can't be read: {error}\n"
                )
            self._remove(channel)

    def _is_interrupted(self) -> bool:
        return self.interrupted

    def _remove(self, channel: Channel) -> None:
        if self._channels.pop(channel, None) is None:
            return
        if isinstance(channel, RecordChannel):
            self._dropped += channel.decoder.dropped
            self.torn += channel.decoder.partial
        self._selector.unregister(channel.fd)
        channel.close()

    def _sleep_off(self) -> None:
        try:
            os.read(self._wake_read, 4096)
        except OSError:
            pass


def _enlarge(fd: int, left: int) -> int:
    """Enlarge a pipe's buffer within what is left of the budget; give what it has been given."""
    import fcntl

    size = _LEAST
    while size < _MOST and size * 2 <= left // 8:
        size *= 2
    command = getattr(fcntl, "F_SETPIPE_SZ", None)  # Linux
    if command is None or size == _LEAST:
        return _LEAST
    try:
        return int(fcntl.fcntl(fd, command, size))
    except OSError:  # this user's pipes have taken all there is: the kernel's own size will do
        return _LEAST
