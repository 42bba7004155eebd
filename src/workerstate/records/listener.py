"""Where workers knock: a Unix socket in a directory of its own, closed to everyone else.

The directory has mode 0700, the kernel tells whose process is at the other end, and the token shows
that it was told the address. Whoever fails one of the three is never read from.
"""

from __future__ import annotations

import array
import os
import socket
import stat
import tempfile
import time

from workerstate.records.rendezvous import HELLO_SIZE, TOKEN_SIZE, Address, Hello, peer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "workerstate-records-"
_SOCKET = "hub"
_ROOM = 100  # sun_path holds 108 bytes on Linux, 104 elsewhere
_PATIENCE = 5.0  # seconds between connecting and saying hello, which no worker of ours takes


class Listener:
    """The rendezvous of one hub.

    Attributes:
        address: what to tell the workers.
        refused: how many strangers have knocked.
    """

    def __init__(self) -> None:
        self.refused = 0
        self._waiting: dict[socket.socket, float] = {}
        _remove_stale()
        folder = _make_folder()
        self.address = Address(os.path.join(folder, _SOCKET), os.urandom(TOKEN_SIZE), os.getpid())
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.bind(self.address.path)
            # With a short backlog many workers starting at once would find it full.
            self._socket.listen(4096)
            self._socket.setblocking(False)
        except BaseException:
            self.close()
            raise

    def fileno(self) -> int:
        """Give the descriptor that is readable when someone knocks."""
        return self._socket.fileno()

    def accept(self) -> Iterator[tuple[Hello, int]]:
        """Give each new worker's hello and the read end of its pipe, without waiting."""
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:  # nobody more, or no descriptors left: they stay in the backlog
                break
            connection.setblocking(False)
            self._waiting[connection] = time.monotonic() + _PATIENCE
        for connection in list(self._waiting):
            yield from self._greet(connection)

    def waiting(self) -> bool:
        """Tell whether someone has connected and not said hello yet."""
        return bool(self._waiting)

    def close(self) -> None:
        """Stop listening and remove the directory."""
        self.abandon()
        for remove, path in (
            (os.unlink, self.address.path),
            (os.rmdir, os.path.dirname(self.address.path)),
        ):
            try:
                remove(path)
            except OSError:
                pass

    def abandon(self) -> None:
        """Close this process's descriptors only; what a forked process does."""
        for connection in (self._socket, *self._waiting):
            connection.close()
        self._waiting.clear()

    def _greet(self, connection: socket.socket) -> Iterator[tuple[Hello, int]]:
        fds: list[int] = []
        try:
            if peer(connection)[1] != os.geteuid():
                raise PermissionError("another user's process")
            data, fds = _receive(connection)
        except BlockingIOError:
            if time.monotonic() < self._waiting[connection]:
                return
            data = b""
        except OSError:
            data = b""
        del self._waiting[connection]
        connection.close()
        hello = Hello.decode(data, self.address.token) if data else None
        if hello is None or len(fds) != 1 or not _is_pipe(fds[0]):
            self.refused += 1
            for fd in fds:
                os.close(fd)
            return
        os.set_blocking(fds[0], False)
        yield hello, fds[0]


def _receive(connection: socket.socket) -> tuple[bytes, list[int]]:
    """Read one message and its descriptors, which no process started meanwhile may inherit."""
    fds = array.array("i")
    flags: int = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
    room = socket.CMSG_SPACE(4 * fds.itemsize)
    data, control, _, _ = connection.recvmsg(HELLO_SIZE, room, flags)
    for level, kind, content in control:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
    for fd in fds:
        os.set_inheritable(fd, False)
    return data, list(fds)


def _is_pipe(fd: int) -> bool:
    return stat.S_ISFIFO(os.fstat(fd).st_mode)


def _make_folder() -> str:
    """Make the directory, in /tmp if the usual place has too long a name for a socket."""
    prefix = f"{PREFIX}{os.getpid()}-"
    place = tempfile.gettempdir()
    if len(os.fsencode(place)) + len(prefix) + len(_SOCKET) + 16 > _ROOM:
        place = "/tmp"
    return tempfile.mkdtemp(prefix=prefix, dir=place)


def _remove_stale() -> None:
    """Remove the directories of hubs that were killed.

    Asking whether the process lives would be wrong in a container that shares /tmp with another.
    """
    for place in {tempfile.gettempdir(), "/tmp"}:
        try:
            entries = [entry for entry in os.scandir(place) if entry.name.startswith(PREFIX)]
        except OSError:
            continue
        for entry in entries:
            path = os.path.join(entry.path, _SOCKET)
            try:
                mine = entry.stat(follow_symlinks=False).st_uid == os.geteuid()
                if mine and entry.is_dir(follow_symlinks=False) and _refuses(path):
                    os.unlink(path)
                    os.rmdir(entry.path)
            except OSError:
                pass


def _refuses(path: str) -> bool:
    """Tell whether nobody listens, without knocking.

    A datagram socket can't connect to a stream socket (EPROTOTYPE), nor to one that has gone
    (ECONNREFUSED).
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as prober:
        try:
            prober.connect(path)
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
    return False
