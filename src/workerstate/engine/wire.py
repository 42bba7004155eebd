"""What goes through the sockets: packets of tasks to a worker, of results back.

Every socket is of kind SOCK_SEQPACKET: a packet arrives whole or not at all, so no death can tear
one.
"""

from __future__ import annotations

import _socket
import array
import os
import pickle
import socket
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

LONGEST = 192 << 10  # bytes of a packet
LONGEST_TEXT = 8 << 10  # characters of a part of a failure that is too long for a packet
BUFFER = 256 << 10  # bytes that a receiver keeps ready
_FDS = socket.CMSG_SPACE(4 * 4) if hasattr(socket, "CMSG_SPACE") else 0

Link = _socket.socket  # one end of a connection; ``socket``'s own class does more than is needed

# A packet of tasks: how many, and the window for their results; then per task its id and length.
_TASKS = struct.Struct("<Ii")
_TASK = struct.Struct("<II")
_ONE_TASK = struct.Struct("<IiII")  # both, as they stand in a packet of one
# A packet from a worker: its kind, how many results, whether the packet of tasks is done, how many
# windows it has let go of, and the seconds that the tasks took; then the windows; then per result
# its id, whether it is one, where its memory in the window ends, and its length.
_HEAD = struct.Struct("<BIBHd")
_RESULT = struct.Struct("<IBQI")
_ONE_RESULT = struct.Struct("<BIBHdIBQI")

RESULTS, READY, FAILED, LEARNT = 0, 1, 2, 3
ERROR, VALUE = 0, 1


def pair() -> tuple[Link, Link]:
    """Give the two ends of a new connection."""
    near, far = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    for end in (near, far):
        end.settimeout(None)  # the program's own (socket.setdefaulttimeout) is not for these
        end.setsockopt(_socket.SOL_SOCKET, _socket.SO_SNDBUF, 1 << 20)
    return near, far


def link(fd: int) -> Link:
    """Give the connection that has come as a descriptor."""
    end = Link(fileno=fd)
    end.settimeout(None)
    return end


def pack_tasks(grant: int, tasks: Sequence[tuple[int, bytes]]) -> bytes:
    """Give a packet of tasks.

    Args:
        grant: the window that the worker may put results into, or -1.
        tasks: the id of each, and its payload.
    """
    if len(tasks) == 1:
        number, data = tasks[0]
        return _ONE_TASK.pack(1, grant, number, len(data)) + data
    heads = [_TASK.pack(number, len(data)) for number, data in tasks]
    return b"".join([_TASKS.pack(len(tasks), grant), *heads, *[data for _, data in tasks]])


def unpack_tasks(packet: memoryview) -> tuple[int, list[tuple[int, memoryview]]]:
    """Give the grant and the tasks of a packet."""
    count, grant = _TASKS.unpack_from(packet)
    at = _TASKS.size
    found = []
    start = at + count * _TASK.size
    for _ in range(count):
        number, size = _TASK.unpack_from(packet, at)
        at += _TASK.size
        found.append((number, packet[start : start + size]))
        start += size
    return grant, found


def pack_results(
    results: Sequence[tuple[int, int, int, bytes]],
    *,
    last: bool,
    seconds: float,
    freed: Sequence[int] = (),
    kind: int = RESULTS,
) -> bytes:
    """Give a packet of results: id, VALUE or ERROR, end in the window, payload of each."""
    if len(results) == 1 and not freed:
        number, is_value, end, data = results[0]
        one = _ONE_RESULT.pack(kind, 1, last, 0, seconds, number, is_value, end, len(data))
        return one + data
    heads, bodies = [], []
    for number, is_value, end, data in results:
        heads.append(_RESULT.pack(number, is_value, end, len(data)))
        bodies.append(data)
    head = _HEAD.pack(kind, len(heads), last, len(freed), seconds)
    return b"".join([head, array.array("i", freed).tobytes(), *heads, *bodies])


class Results:
    """A packet from a worker, taken apart."""

    __slots__ = ("freed", "kind", "last", "results", "seconds")

    def __init__(self, packet: memoryview) -> None:
        self.kind, count, last, freed, self.seconds = _HEAD.unpack_from(packet)
        self.last = bool(last)
        at = _HEAD.size
        self.freed: Sequence[int] = ()
        if freed:
            self.freed = array.array("i", bytes(packet[at : at + 4 * freed]))
            at += 4 * freed
        self.results: list[tuple[int, int, int, memoryview]] = []
        start = at + count * _RESULT.size
        for _ in range(count):
            number, is_value, end, size = _RESULT.unpack_from(packet, at)
            at += _RESULT.size
            self.results.append((number, is_value, end, packet[start : start + size]))
            start += size


def tell_failure(end: Link, failure: BaseException) -> None:
    """Tell the parent why this worker could not start."""
    row = (0, ERROR, 0, pickled_failure(failure))
    send(end, pack_results([row], last=True, seconds=0.0, kind=FAILED))


def pickled_failure(failure: BaseException) -> bytes:
    """Pickle why something could not start; what makes that too long for a packet is shortened."""
    data = pickle.dumps(failure)
    if len(data) <= LONGEST:
        return data
    return pickle.dumps(type(failure)(*map(_shortened, failure.args)))


def _shortened(value: object) -> object:
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        half = LONGEST_TEXT // 2
        return f"{value[:half]} [...] {value[-half:]}"
    # An exception of the program's, pickled: its words and its traceback are there as well.
    return None if isinstance(value, bytes) and len(value) > LONGEST_TEXT else value


def tell_ready(end: Link) -> None:
    """Tell the parent that this worker has started."""
    row = (0, VALUE, 0, str(os.getpid()).encode())
    send(end, pack_results([row], last=False, seconds=0.0, kind=READY))


def send(end: Link, packet: bytes, fds: Sequence[int] = ()) -> None:
    """Send one packet, and descriptors along with it.

    Raises:
        OSError: the other side has gone.
    """
    if fds:
        end.sendmsg([packet], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])
    else:
        end.send(packet)


def receive(end: Link, buffer: memoryview, flags: int = 0) -> tuple[int, int]:
    """Give the size of the next packet, now in ``buffer``, and a descriptor or -1; 0: none come.

    Raises:
        OSError: the other side has gone, or (BlockingIOError) there is none yet.
    """
    size, extra = _take(end, buffer, flags)
    return size, _descriptors(extra)[0] if extra else -1


def tell(end: Link, message: tuple[Any, ...], fds: Sequence[int] = ()) -> None:
    """Send a control message: a tuple of plain values.

    Raises:
        OSError: the other side has gone.
    """
    send(end, pickle.dumps(message, 5), fds)


def hear(end: Link, buffer: memoryview, flags: int = 0) -> tuple[Any, list[int]]:
    """Give the next control message and its descriptors; None where no more come.

    Raises:
        OSError: the other side has gone, or (BlockingIOError) there is none yet.
    """
    size, extra = _take(end, buffer, flags)
    return (pickle.loads(buffer[:size]) if size else None), _descriptors(extra)


def _take(end: Link, buffer: memoryview, flags: int) -> tuple[int, Any]:
    try:
        size, extra, _, _ = end.recvmsg_into([buffer], _FDS, flags)
    except ConnectionResetError:
        # The other side has closed with packets of ours unread. That is said once, and before what
        # it had sent can be read (unix_release_sock, __skb_try_recv_datagram).
        size, extra, _, _ = end.recvmsg_into([buffer], _FDS, flags)
    return size, extra


def _descriptors(extra: list[tuple[int, int, bytes]]) -> list[int]:
    found = array.array("i")
    for level, kind, data in extra:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            found.frombytes(data[: len(data) - len(data) % found.itemsize])
    for each in found:
        os.set_inheritable(each, False)
    return list(found)
