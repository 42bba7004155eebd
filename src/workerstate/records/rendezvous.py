"""How a worker finds its parent: an address, a knock, and the read end of a pipe handed over.

A pipe carries the data and not the socket itself: a pipe counts bytes (thousands of records fit),
a Unix socket counts packets (278 small ones), and a write to it takes a third of the time.
"""

from __future__ import annotations

import array
import marshal
import os
import struct
import time

from workerstate.errors import WorkerstateError
from workerstate.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

MAGIC = b"WSR1"
TOKEN_SIZE = 16
HELLO_SIZE = 256
RECORDS, STDOUT, STDERR = "records", "stdout", "stderr"


class RecordsUnavailableError(WorkerstateError):
    """Records of workers can't be carried on this platform; the text says what is missing."""


class Address(Value):
    """Where workers find the hub of their parent: plain, picklable, comparable by value.

    Fields:
        path: the hub's Unix socket, in a directory that only this user may enter.
        token: shows that a worker has been told the address by this hub.
        pid: the parent's.
    """

    path: str
    token: bytes
    pid: int

    def to_text(self) -> str:
        """Give one line for an environment variable or an argument of a worker's program."""
        return f"{self.pid}:{self.token.hex()}:{self.path}"

    @classmethod
    def from_text(cls, text: str) -> Address:
        """Read what ``to_text`` gave.

        Raises:
            ValueError: the text is no address.
        """
        pid, token, path = text.split(":", 2)
        return cls(path, bytes.fromhex(token), int(pid))


class Hello(Value):
    """What a worker says when it knocks.

    Fields:
        kind: what comes through the pipe: RECORDS, STDOUT or STDERR.
        pid: the worker's.
        again: the worker was forked from one that had a pipe, or lost its own.
    """

    kind: str
    pid: int
    again: bool

    def encode(self, token: bytes) -> bytes:
        """Give the bytes to send, HELLO_SIZE at most."""
        return MAGIC + token + marshal.dumps((self.kind, self.pid, self.again), 4)

    @classmethod
    def decode(cls, data: bytes, token: bytes) -> Hello | None:
        """Read a hello, or give None for one that doesn't show the token.

        Nothing after the token is looked at before the token has been compared.
        """
        import hmac

        head = len(MAGIC) + TOKEN_SIZE
        if not hmac.compare_digest(data[:head], MAGIC + token):
            return None
        try:
            kind, pid, again = marshal.loads(data[head:])
        except (EOFError, ValueError, TypeError):
            return None
        return cls(kind, pid, again) if kind in (RECORDS, STDOUT, STDERR) else None


def check_platform() -> None:
    """Make sure that this platform can do it.

    Raises:
        RecordsUnavailableError: no Unix sockets that pass file descriptors (Windows), or no way to
            ask whose process is at the other end.
    """
    import socket

    missing = [n for n in ("AF_UNIX", "SCM_RIGHTS") if not hasattr(socket, n)]
    if not any(hasattr(socket, n) for n in ("SO_PEERCRED", "LOCAL_PEERCRED")):
        missing.append("SO_PEERCRED or LOCAL_PEERCRED")
    if missing:
        raise RecordsUnavailableError(
            "records of workers can't be carried here: this platform's sockets lack "
            f"{', '.join(missing)}; leave logging and stdio out of carry= on this platform"
        )


def peer(connection: socket.socket) -> tuple[int, int]:
    """Give process and user id of the other end, as the kernel knows them.

    The process id is 0 where the kernel doesn't tell (macOS, another pid namespace).

    Raises:
        OSError: the kernel doesn't say; the peer must then be taken for a stranger.
    """
    import socket

    if hasattr(socket, "SO_PEERCRED"):
        found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        pid, uid, _ = struct.unpack("iII", found)
        return pid, uid
    # struct xucred of macOS and FreeBSD begins with version and uid; SOL_LOCAL is 0 (unpcb.h).
    found = connection.getsockopt(0, getattr(socket, "LOCAL_PEERCRED", 1), 76)
    _, uid = struct.unpack_from("II", found)
    return 0, uid


def knock(address: Address, hello: Hello, fd: int, *, timeout: float = 10.0) -> int:
    """Hand ``fd``, the read end of a pipe, to the hub, and give the hub's process id (0: unknown).

    The caller's own copy of ``fd`` stays open; as long as it is, the pipe never breaks.

    Raises:
        OSError: nobody listens there any more, or it isn't this user who does.
    """
    import socket

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout)
        _connect(connection, address.path, timeout)
        pid, uid = peer(connection)
        if uid != os.geteuid():
            raise PermissionError(f"{address.path} belongs to another user (uid {uid})")
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))]
        connection.sendmsg([hello.encode(address.token)], rights)
    return pid


def _connect(connection: socket.socket, path: str, timeout: float) -> None:
    """Connect, and wait where so many workers knock at once that the backlog is full (EAGAIN)."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            return connection.connect(path)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
