"""One object on its way between the parent and a worker.

Pickled by protocol 5. Buffers (numpy's arrays, say) of SMALL bytes or more go beside the pickle
through the arena, and so does a pickle that is itself too long for a message. What doesn't fit a
window goes in a file of its own (memfd), whose descriptor is sent along.

What refers to the main module is pickled by value (cloudpickle) where a worker has another one.
"""

from __future__ import annotations

import os
import pickle
import sys
from pickle import dumps, loads

from workerstate.engine.arena import PAGE, WINDOW, private, write_all
from workerstate.mainmodule import named_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from workerstate.engine.arena import Arena
    from workerstate.mainmodule import Shared

SMALL = 64 << 10  # bytes; a buffer below this stays in the pickle
LONGEST = 96 << 10  # bytes of a pickle that still goes through the socket
MOST = 4096  # buffers that go beside a pickle
PLAIN, SHARED, OWN = 0, 1, 2  # the first byte of a message: where the buffers are
_PLAIN, _SHARED, _OWN = bytes([PLAIN]), bytes([SHARED]), bytes([OWN])


class Encoded:
    """One object as bytes for a message, and what they refer to.

    Attributes:
        data: what goes into the message.
        window: the window of the arena that they refer to, or -1.
        size: how far into it.
        fd: a file of its own that must go along, or -1.
    """

    __slots__ = ("data", "fd", "size", "window")

    def __init__(self, data: bytes, window: int = -1, size: int = 0, fd: int = -1) -> None:
        self.data = data
        self.window = window
        self.size = size
        self.fd = fd


def encode(
    value: object,
    arena: Arena,
    lend: Callable[[int], tuple[int, int]],
    names: int = 0,
    shared: Shared | None = None,
    regain: Callable[[int], None] | None = None,
) -> Encoded:
    """Pickle ``value`` for the other side.

    Args:
        value: what to send.
        arena: where big buffers go.
        lend: called with a number of bytes; gives a window and where in it there is room for them,
            or (-1, 0).
        names: as for ``pickled``.
        shared: as for ``pickled``.
        regain: called with a window that was lent, and not used.

    Raises:
        Exception: what pickle raises.
    """
    big: list[pickle.PickleBuffer] = []

    def beside(buffer: pickle.PickleBuffer) -> bool:
        if buffer.raw().nbytes < SMALL:
            return True
        big.append(buffer)
        return False

    data = pickled(value, beside, big, names, shared)
    if not big and len(data) <= LONGEST:
        return Encoded(_PLAIN + data)
    if len(big) > MOST:  # their places alone would be too long for a message
        data, big = pickled(value, None, None, names, shared), []
    parts = [buffer.raw() for buffer in big]
    if len(data) > SMALL:
        parts.insert(0, memoryview(data))
        data = b""
    places, total = _places(parts)
    window, start = lend(total) if total <= WINDOW else (-1, 0)
    if window < 0:
        return Encoded(_OWN + dumps((data, places, total), 5), fd=_own_file(parts, places, total))
    base = window * WINDOW + start
    try:
        for part, (at, _) in zip(parts, places, strict=True):
            arena.write(base + at, part)
        return Encoded(_SHARED + dumps((data, places, total, base), 5), window, start + total)
    except BaseException:  # Ctrl-C, say
        if regain is not None:
            regain(window)
        raise


def decode(data: memoryview, arena: Arena, fd: int, gone: Callable[[int], None] | None) -> Any:
    """Read what ``encode`` gave.

    Args:
        data: the bytes of the message.
        arena: where big buffers are.
        fd: the file that came along, which is closed here, or -1.
        gone: called with the window when nothing refers to it any more, where the object is to
            live in it (a task's arguments); without it, buffers are copied out (results).

    Raises:
        Exception: what pickle raises.
    """
    where = data[0]
    if where == PLAIN:
        return loads(data[1:])
    if where == OWN:
        try:
            head, places, total = loads(data[1:])
            views = _cut(memoryview(private(fd, max(total, 1))), places)
        finally:
            os.close(fd)
    else:
        head, places, total, base = loads(data[1:])
        if gone is None:
            views = [_copied(arena, base + at, size) for at, size in places]
        else:
            views = _cut(memoryview(_watched(arena, base, total, gone)), places)
    if not head:
        head, views = views[0], views[1:]
    return loads(head, buffers=views)


def pickled(
    value: object,
    beside: Any = None,
    big: list[Any] | None = None,
    names: int = 0,
    shared: Shared | None = None,
) -> bytes:
    """Pickle by name where possible, else by value.

    Args:
        value: what to pickle.
        beside: pickle's ``buffer_callback``.
        big: the buffers that it has kept so far, which a second try begins anew.
        names: how often the main module is named by what is in there by value already.
        shared: what the other side has of the main module.

    Raises:
        Exception: what pickle raises.
    """
    first: Exception | None = None
    try:
        data = dumps(value, 5, buffer_callback=beside)
        if named_in(data) == names or (shared is not None and shared.has(data)):
            return data
    except Exception as error:  # by name it can't be sent: lambdas, local functions
        first = error
    if big:
        big.clear()
    from workerstate import by_value

    try:
        return by_value.dumps(value, shared, beside)
    except Exception as second:
        # An object whose own pickling fails gives the same error both times.
        raise (first if type(second) is type(first) else second) from None


def _places(parts: list[memoryview]) -> tuple[list[tuple[int, int]], int]:
    places, at = [], 0
    for part in parts:
        places.append((at, part.nbytes))
        at = (at + part.nbytes + PAGE - 1) & -PAGE
    return places, at


def _cut(view: memoryview, places: list[tuple[int, int]]) -> list[memoryview]:
    return [view[at : at + size] for at, size in places]


def _watched(arena: Arena, base: int, total: int, gone: Callable[[int], None]) -> Any:
    import weakref

    found = arena.private(base, total)
    window = base // WINDOW
    # numpy gives a buffer back at once and keeps a reference; so does the object's own life tell.
    key = id(found)  # nobody else's before this has been called
    _watching[key] = weakref.ref(found, lambda ref: _ended(key, window, gone))
    return found


_watching: dict[int, Any] = {}


def _ended(key: int, window: int, gone: Callable[[int], None]) -> None:
    del _watching[key]
    gone(window)


def _copied(arena: Arena, offset: int, size: int) -> memoryview:
    numpy = sys.modules.get("numpy")
    # numpy doesn't zero it, and asks for huge pages.
    fresh = memoryview(numpy.empty(size, "u1") if numpy is not None else bytearray(size))
    arena.copy(offset, fresh)
    return fresh


def _own_file(parts: list[memoryview], places: list[tuple[int, int]], total: int) -> int:
    fd = os.memfd_create("workerstate-object", os.MFD_CLOEXEC)
    try:
        for part, (at, _) in zip(parts, places, strict=True):
            write_all(fd, memoryview(part).cast("B"), at)
        os.ftruncate(fd, max(total, 1))  # all of what is mapped must be there
    except BaseException:
        os.close(fd)
        raise
    return fd
