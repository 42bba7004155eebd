"""How records travel: frames, call sites sent once, extras that survive. No I/O here.

Every frame starts with one header (size, number, three floats). A number from FIRST_SITE on names a
call site that a DEFINE frame described before: what stays the same between two calls of one log
statement is sent once. The three floats are then created, msecs and relativeCreated, and the
message follows. Frames longer than a pipe takes in one piece go as CHUNK frames; NOTICE tells what
was dropped.
"""

from __future__ import annotations

import itertools
import logging
import marshal
import struct
from operator import itemgetter

from workerstate.program import main_name
from workerstate.records import baggage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping
    from typing import Any

    Site = tuple[tuple[object, ...], int]

HEADER = struct.Struct("<IIddd")
DEFINE, CHUNK, NOTICE, FIRST_SITE = 1, 2, 3, 16
RICH = 1 << 31  # with a site's number: more than a message follows

# Sender and receiver forget old call sites by this count, so that a program with endless short
# threads (whose names belong to the site) doesn't grow either.
KEEP_SITES = 8192

_pack = HEADER.pack
_HEAD = HEADER.size
# What a record is without the program's record factory.
_TEMPLATE: dict[str, Any] = {**baggage.BARE, "args": ()}
_STANDARD = len(_TEMPLATE)
_HAS_TASK = "taskName" in _TEMPLATE  # Python 3.12

# filename and module follow from pathname, and leaving them out halves the time of the look-up.
_SOURCE = ("lineno", "pathname", "levelno", "name", "funcName", "levelname")
_KEY = (*_SOURCE, "thread", "threadName", "processName", "process")
_FIELDS = (*_KEY, "filename", "module")
_NAME = _FIELDS.index("name")
_site_of = itemgetter(*_KEY)

_PLAIN = frozenset({str, int, float, bool, bytes, type(None)})


def render(record: logging.LogRecord) -> str:
    """Give the message of ``record``; in the worker, since arguments may change or not pickle.

    Raises:
        Exception: whatever rendering raised, as any handler would see it.
    """
    message = record.msg
    if type(message) is str and type(record) is logging.LogRecord:
        return message % record.args if record.args else message
    return str(record.getMessage())


class Encoder:
    """Makes frames of records, and remembers which call sites the other end has been told.

    Without a lock: threads and signal handlers may be inside ``encode`` at the same time, since a
    call site is remembered only once its definition has been written. Two threads may define one
    site twice, which costs some bytes and nothing else.
    """

    __slots__ = ("_first", "_numbers", "_sites")

    def __init__(self) -> None:
        self._numbers = itertools.count(FIRST_SITE)
        self._first = FIRST_SITE
        self._sites: dict[tuple[object, ...], int] = {}

    def encode(
        self, record: logging.LogRecord, text: str, more: Mapping[str, object] | None = None
    ) -> tuple[bytes, Site | None]:
        """Give the frame of ``record``, and the site to ``remember`` once it is written.

        Args:
            record: of any class; what it lacks gets the usual value.
            text: its message, rendered (``render``).
            more: fields that it has at the other end only.
        """
        fields = record.__dict__
        if more is not None:
            fields = {**fields, **more}
        try:
            return self._encode(fields, text)
        except (KeyError, TypeError, ValueError, OverflowError, struct.error):
            return self._encode(_straighten(fields), text)

    def remember(self, site: Site) -> None:
        """Take note that the frame with this site's definition has been written."""
        key, number = site
        if number - self._first >= KEEP_SITES:
            self._first, self._sites = number, {}
        self._sites[key] = number

    def _encode(self, fields: dict[str, Any], text: str) -> tuple[bytes, Site | None]:
        key = _site_of(fields)
        number = self._sites.get(key)
        site = None
        definition = b""
        if number is None:
            number = next(self._numbers)
            site = (key, number)
            definition = _frame(DEFINE, number, marshal.dumps(_definition(fields), 4))
        if (
            len(fields) == _STANDARD
            and fields["exc_info"] is None
            and fields["exc_text"] is None
            and fields["stack_info"] is None
            and type(fields["msg"]) is not dict
            and not (_HAS_TASK and fields["taskName"])
        ):
            try:
                body = text.encode()
            except UnicodeEncodeError:
                body = text.encode("utf-8", "surrogatepass")
            flag = 0
        else:
            body, flag = baggage.pack(fields, text), RICH
        frame = definition + _pack(
            _HEAD + len(body),
            number | flag,
            fields["created"],
            fields["msecs"],
            fields["relativeCreated"],
        )
        return frame + body, site


class Decoder:
    """Makes records of the bytes of one worker, in whatever pieces they come.

    Attributes:
        dropped: how many records the worker has said it dropped.
    """

    __slots__ = ("_chunks", "_rest", "_sites", "dropped")

    def __init__(self) -> None:
        self.dropped = 0
        self._rest = b""
        self._sites: dict[int, dict[str, Any]] = {}
        self._chunks: dict[float, bytearray] = {}

    @property
    def partial(self) -> bool:
        """Tell whether a record has begun and not ended: its worker died inside ``emit``."""
        return bool(self._rest or self._chunks)

    def feed(self, data: bytes) -> Iterator[logging.LogRecord]:
        """Give the records that ``data`` completes, plain ``LogRecord``s whatever the factory.

        Raises:
            ValueError: the bytes can't have come from an ``Encoder``.
        """
        if self._rest:
            data = self._rest + data
        position = yield from self._records(data)
        self._rest = data[position:]

    def _records(self, data: bytes) -> Generator[logging.LogRecord, None, int]:
        end, start = len(data), 0
        unpack, sites = HEADER.unpack_from, self._sites
        make, kind = logging.LogRecord.__new__, logging.LogRecord
        while end - start >= _HEAD:
            size, number, created, msecs, relative = unpack(data, start)
            stop = start + size
            if stop > end:
                break
            if size < _HEAD:
                raise ValueError(f"a frame of {size} bytes is shorter than its header")
            body = data[start + _HEAD : stop]
            start = stop
            if number < FIRST_SITE:
                yield from self._special(number, created, msecs, body)
                continue
            fields = sites[number & ~RICH].copy()
            fields["created"] = created
            fields["msecs"] = msecs
            fields["relativeCreated"] = relative
            if number & RICH:
                baggage.unpack(fields, body)
            else:
                try:
                    fields["msg"] = body.decode()
                except UnicodeDecodeError:
                    fields["msg"] = body.decode("utf-8", "surrogatepass")
            record = make(kind)
            record.__dict__ = fields
            yield record
        return start

    def _special(
        self, kind: int, first: float, second: float, body: bytes
    ) -> Iterator[logging.LogRecord]:
        if kind == DEFINE:
            number = int(first)
            self._sites[number] = {
                **_TEMPLATE,
                **dict(zip(_FIELDS, marshal.loads(body), strict=True)),
            }
            if len(self._sites) > 3 * KEEP_SITES:
                for old in [n for n in self._sites if n < number - 2 * KEEP_SITES]:
                    del self._sites[old]
        elif kind == CHUNK:
            self._chunks.setdefault(first, bytearray()).extend(body)
            if second:
                yield from self._records(bytes(self._chunks.pop(first)))
        elif kind == NOTICE:
            dropped, abandoned = marshal.loads(body)
            self.dropped = max(self.dropped, dropped)
            for identity in abandoned:
                self._chunks.pop(identity, None)
        else:
            raise ValueError(f"unknown kind of frame {kind}")


def chunks(frame: bytes, identity: int, limit: int) -> Iterator[bytes]:
    """Cut a frame into pieces that each stand alone and are at most ``limit`` bytes long.

    ``identity`` tells pieces of one frame from those of another that a thread or a signal handler
    writes in between; it may not be used again on the same pipe.
    """
    step = limit - _HEAD
    view = memoryview(frame)
    for start in range(0, len(frame), step):
        part = view[start : start + step]
        last = start + step >= len(frame)
        yield _pack(_HEAD + len(part), CHUNK, float(identity), float(last), 0.0) + part


def notice(dropped: int, abandoned: tuple[int, ...]) -> bytes:
    """Give the frame that tells how many records were dropped in all, and which won't be finished.

    ``abandoned`` are the identities of frames that were begun in chunks.
    """
    return _frame(NOTICE, 0, marshal.dumps((dropped, tuple(map(float, abandoned))), 4))


def _frame(kind: int, first: float, body: bytes) -> bytes:
    return _pack(_HEAD + len(body), kind, first, 0.0, 0.0) + body


def _definition(fields: dict[str, Any]) -> tuple[Any, ...]:
    """Give the fields of a site, each a plain str, int or None.

    marshal turns whatever has a buffer (a numpy integer, say) into bytes and refuses subclasses
    (an IntEnum level), so both are made plain here. The main module's loggers have the names that
    they have in the parent.
    """
    found = [
        value if type(value) in _PLAIN else int(value) if isinstance(value, int) else str(value)
        for value in map(fields.__getitem__, _FIELDS)
    ]
    found[_NAME] = main_name(str(found[_NAME]))
    return tuple(found)


def _straighten(fields: dict[str, Any]) -> dict[str, Any]:
    """Repair what a record factory, a filter or a sender left out or gave an odd type."""
    fixed = {**_TEMPLATE, **fields}
    for name in ("created", "msecs", "relativeCreated"):
        try:
            fixed[name] = float(fixed[name])
        except (TypeError, ValueError):
            fixed[name] = _TEMPLATE[name]
    for name, value in zip(_FIELDS, _definition(fixed), strict=True):
        fixed[name] = value
    return fixed
