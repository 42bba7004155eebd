"""The walk through a value that gives its content hash, and the bounds it keeps to."""

from __future__ import annotations

import marshal
import time

from workerstate.fingerprint.classes import is_lasting, name_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    Reader = Callable[["Walk", Any], bytes]

MOST_ITEMS = 20_000  # looked at in one value
MOST_SECONDS = 0.05  # spent on one value
MOST_DEPTH = 16
LARGE = 10_000  # items of one container; beyond, a sequence is sampled, a set or dict only counted
LONG = 1_000_000  # characters or bytes of one string; beyond, it is sampled

# Types are looked up by id: a metaclass may define __hash__ and __eq__.
SCALARS = {id(kind) for kind in (int, float, complex, str, bytes, bool, type(None), type(...))}
_NUMBERS = {id(kind) for kind in (int, float, bool)}
_STRINGS = {str, bytes}
_SHORT = 64
_HASHED, _MADE, _CYCLE = b"\xfe", b"\xff", b"\xfd"  # no marshal type code is one of these

_blake2b: Any = None
_readers: dict[int, tuple[type, Reader]] = {}


def is_scalar(value: object) -> bool:
    """Tell whether a value is a number, a string, bytes, None or an ellipsis, of no subclass."""
    return id(type(value)) in SCALARS


def hashed(raw: bytes, *, key: bytes = b"", size: int = 16) -> bytes:
    """Give the BLAKE2b hash of ``raw``; hashlib would bring OpenSSL into every worker."""
    global _blake2b
    if _blake2b is None:
        from _blake2 import blake2b

        _blake2b = blake2b
    value: bytes = _blake2b(raw, digest_size=size, key=key).digest()
    return value


class TooLargeError(Exception):
    """The value has more items, or takes more time, than a fingerprint may."""


class Walk:
    """One walk through one value.

    Each item gives a token: prefix-free bytes that are equal for equal content. ``partial``
    tells, after the walk, whether something could not be read.
    """

    __slots__ = ("deadline", "left", "partial", "path")

    def __init__(self) -> None:
        self.left = MOST_ITEMS
        self.deadline = 0.0
        self.partial = False
        self.path: dict[int, int] = {}

    def token(self, value: object) -> bytes:
        """Give the token of any value.

        Raises:
            TooLargeError: the walk has reached one of its bounds.
        """
        kind = type(value)
        self.left -= 1
        if not self.left & 255:
            self.look_at_clock()
        if id(kind) in SCALARS:
            return self._scalar(value)
        path = self.path
        address = id(value)
        if address in path:
            return _CYCLE + bytes((len(path) - path[address],))
        if len(path) >= MOST_DEPTH:
            return self.unread(kind)
        path[address] = len(path)
        try:
            known = _readers.get(id(kind))
            reader = _learn(kind) if known is None else known[1]
            return reader(self, value)
        finally:
            del path[address]

    def look_at_clock(self) -> None:
        """Stop the walk if it has taken too long, or has looked at too many items."""
        now = time.monotonic()
        self.deadline = self.deadline or now + MOST_SECONDS
        if self.left <= 0 or now > self.deadline:
            raise TooLargeError

    def _scalar(self, value: Any) -> bytes:
        if type(value) in _STRINGS and len(value) > LONG:
            self.partial = True
            value = ("long", len(value), value[: LONG // 2], value[-LONG // 2 :])
        raw = marshal.dumps(value, 2)
        return raw if len(raw) <= _SHORT else _HASHED + hashed(raw)

    def made(self, tag: str, tokens: Iterable[bytes]) -> bytes:
        """Give one token for several; ``tag`` tells apart what is made of the same ones."""
        return _MADE + hashed(marshal.dumps(tag, 2) + b"".join(tokens))

    def several(self, tag: str, *values: object) -> bytes:
        """Give one token for several values, in their order."""
        return self.made(tag, [self.token(value) for value in values])

    def named(self, tag: str, *names: str) -> bytes:
        """Give a token for what its name says in full."""
        return self.made(tag, [marshal.dumps(name, 2) for name in names])

    def unread(self, kind: type, *names: str) -> bytes:
        """Give a token for what can't be looked into: its type, and that the walk is partial."""
        self.partial = True
        return self.named("unread", name_of(kind), *names)

    def sequence(self, tag: str, items: list[Any] | tuple[Any, ...]) -> bytes:
        """Give one token for items in their order; of many, a sample is read."""
        size = len(items)
        if size > LARGE:
            self.partial = True
            step = size // (LARGE // 4) + 1
            items = [*items[:500], *items[500:-500:step], *items[-500:]]
        tag = f"{tag} of {size}"
        if items and {*map(id, map(type, items))} <= _NUMBERS:
            self.left -= len(items) // 16
            self.look_at_clock()
            return self.made(tag + " numbers", [marshal.dumps(list(items), 2)])
        return self.several(tag, *items)

    def unordered(self, tag: str, size: int, groups: Iterable[tuple[object, ...]]) -> bytes:
        """Give one token for items, or pairs, that have no order; many are only counted."""
        if size > LARGE:
            self.partial = True
            return self.named(f"{tag} of {size}")
        token = self.token
        return self.made(tag, sorted([b"".join(map(token, group)) for group in list(groups)]))


def _learn(kind: type) -> Reader:
    """Find how instances of a class are read; once, if the class can't be collected anyway."""
    from workerstate.fingerprint.readers import reader_for

    reader = reader_for(kind)
    if is_lasting(kind):
        _readers[id(kind)] = (kind, reader)
    return reader
