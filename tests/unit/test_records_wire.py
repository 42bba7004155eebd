"""The frames of records, without processes: whatever goes in comes out, however it is cut."""

from __future__ import annotations

import array
import asyncio
import copyreg
import enum
import logging
import pickle
import random
import threading

import pytest

from workerstate.records import wire
from workerstate.records.rendezvous import TOKEN_SIZE, Address, Hello

STANDARD = sorted(set(logging.makeLogRecord({}).__dict__) - {"msg", "args", "exc_info"})


class Level(enum.IntEnum):
    LOUD = 35


class Text(str):
    pass


class Silent:
    def __init__(self) -> None:
        self.lock = threading.Lock()

    def __repr__(self) -> str:
        raise RuntimeError("no words")


class NeedsTwoError(Exception):
    """Pickles and doesn't load: its arguments aren't those of its constructor."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(first)


class HoldsLockError(Exception):
    def __init__(self) -> None:
        super().__init__("held")
        self.lock = threading.Lock()


class VanishesWhenLoaded:
    def __reduce__(self) -> tuple:
        return (eval, ("1/0",))


class Braces(logging.LogRecord):
    def getMessage(self) -> str:
        return str(self.msg).format(*self.args) if self.args else str(self.msg)


def make(msg: object = "hello %s", *args: object, **fields: object) -> logging.LogRecord:
    record = logging.LogRecord("app.part", 20, "/src/part.py", 7, msg, args, None, "work")
    record.__dict__.update(fields)
    return record


def raised(error: Exception) -> tuple:
    try:
        raise error
    except Exception as caught:
        return (type(caught), caught, caught.__traceback__)


def encode(encoder: wire.Encoder, record: logging.LogRecord) -> tuple:
    return encoder.encode(record, wire.render(record))


def travel(*records: logging.LogRecord) -> list[logging.LogRecord]:
    encoder, decoder = wire.Encoder(), wire.Decoder()
    got = []
    for record in records:
        frame, site = encode(encoder, record)
        if site is not None:
            encoder.remember(site)
        got += decoder.feed(frame)
    assert not decoder.partial
    return got


@pytest.mark.parametrize("name", STANDARD)
def test_every_standard_field_arrives(name):
    """A field of the record is in the parent what it was in the worker."""
    record = make("hello %s", "you")
    record.process, record.processName, record.threadName = 4711, "Worker-3", "part"
    (got,) = travel(record)
    assert getattr(got, name) == getattr(record, name)


def test_the_message_is_rendered_in_the_worker():
    """Arguments that change after the call, or don't pickle, are in the text as they were."""
    values = [1, threading.Lock()]
    record = make("first %s", values)
    frame, _ = encode(wire.Encoder(), record)
    values.clear()
    (got,) = wire.Decoder().feed(frame)
    assert got.getMessage().startswith("first [1, <unlocked")
    assert got.args == ()


def test_a_percent_sign_in_the_rendered_message_stays():
    """A rendered message is never rendered again."""
    (got,) = travel(make("%s", "100 %d"))
    assert got.getMessage() == "100 %d"


def test_a_call_site_is_sent_once():
    """The second record of a call site is short; one of another site is not."""
    encoder = wire.Encoder()
    first, site = encode(encoder, make("x"))
    encoder.remember(site)
    second, none = encode(encoder, make("x"))
    other, _ = encode(encoder, make("x", lineno=8))
    assert none is None
    assert len(second) == wire.HEADER.size + 1
    assert len(other) == len(first)


def test_a_call_site_that_was_not_written_is_sent_again():
    """A frame that never left (an exception, a full pipe) takes no definition with it."""
    encoder, decoder = wire.Encoder(), wire.Decoder()
    encode(encoder, make("lost"))
    frame, _ = encode(encoder, make("kept"))
    assert [r.getMessage() for r in decoder.feed(frame)] == ["kept"]


@pytest.mark.parametrize("seed", range(20))
def test_the_bytes_may_come_in_any_pieces(seed):
    """However the stream is cut, the same records come out in the same order."""
    chance = random.Random(seed)
    encoder, decoder = wire.Encoder(), wire.Decoder()
    stream, sent = b"", []
    for n in range(200):
        text = f"{n} " + "äx\0"[n % 3] * chance.choice([0, 1, 50, 9000])
        extra = {"key": [n]} if n % 7 == 0 else {}
        frame, site = encode(encoder, make(text, lineno=n % 5, **extra))
        if site is not None:
            encoder.remember(site)
        stream += b"".join(wire.chunks(frame, n, 4096)) if len(frame) > 4096 else frame
        sent.append((text, extra.get("key")))
    got = []
    while stream:
        cut = chance.randrange(1, 20_000)
        got += decoder.feed(stream[:cut])
        stream = stream[cut:]
    assert [(r.getMessage(), getattr(r, "key", None)) for r in got] == sent
    assert not decoder.partial


@pytest.mark.parametrize("limit", [512, 4096])
def test_chunks_are_small_and_may_mix(limit):
    """No piece exceeds what a pipe takes whole, and pieces of two frames may alternate."""
    encoder, decoder = wire.Encoder(), wire.Decoder()
    frames = [encode(encoder, make(letter * 70_000))[0] for letter in "ab"]
    pieces = [list(wire.chunks(frame, n, limit)) for n, frame in enumerate(frames)]
    assert max(map(len, pieces[0] + pieces[1])) <= limit
    got = []
    for pair in zip(*pieces, strict=True):
        for piece in pair:
            got += decoder.feed(piece)
    assert [r.getMessage()[:1] for r in got] == ["a", "b"]


def test_a_frame_that_is_given_up_is_forgotten():
    """A notice names chunked frames that will never end, and counts dropped records."""
    decoder = wire.Decoder()
    begun = next(wire.chunks(b"x" * 10_000, 3, 4096))
    assert list(decoder.feed(begun)) == []
    assert decoder.partial
    assert list(decoder.feed(wire.notice(5, (3,)))) == []
    assert not decoder.partial
    assert decoder.dropped == 5


@pytest.mark.parametrize(
    "value",
    [
        "text", 1, 2**100, 1.5, True, None, b"bytes", "\ud800",
        [1, "a"], {"a": {1, 2}}, (1,), array.array("d", [1.0]), bytearray(b"b"), Text("t"),
        Level.LOUD,
    ],
    ids=repr,
)  # fmt: skip
def test_extras_keep_value_and_type(value):
    """An extra arrives as what it was; marshal would make bytes of an array and refuse a Text."""
    (got,) = travel(make("x", key=value))
    assert got.key == value
    assert type(got.key) is type(value)


def test_an_extra_that_does_not_pickle_becomes_text():
    """The record and its other extras are kept."""
    lock = threading.Lock()
    (got,) = travel(make("x", lock=lock, silent=Silent(), good=[1]))
    assert got.lock == repr(lock)
    assert "repr failed" in got.silent
    assert got.good == [1]


def test_an_extra_that_does_not_load_becomes_text():
    """What the parent can't load is said, with its type and the reason."""
    (got,) = travel(make("x", odd=VanishesWhenLoaded(), good=[1]))
    assert "VanishesWhenLoaded" in got.odd
    assert "ZeroDivisionError" in got.odd
    assert got.good == [1]


def test_an_exception_arrives_as_value_and_text():
    """The field exc_info has type and value, exc_text the worker's traceback."""
    (got,) = travel(make("x", exc_info=raised(KeyError("k"))))
    kind, value, traceback = got.exc_info
    assert (kind, value.args, traceback) == (KeyError, ("k",), None)
    assert got.exc_text.endswith("KeyError: 'k'")
    assert "in raised" in logging.Formatter().format(got)


@pytest.mark.parametrize("error", [NeedsTwoError("a", "b"), HoldsLockError()], ids=["load", "dump"])
def test_an_exception_that_does_not_pickle_arrives_as_text(error, monkeypatch):
    """Its traceback is printed all the same."""
    # tblib, which distributed brings, teaches pickle every exception class that there is.
    monkeypatch.delitem(copyreg.dispatch_table, type(error), raising=False)
    (got,) = travel(make("x", exc_info=raised(error)))
    assert got.exc_info is None
    assert type(error).__name__ in logging.Formatter().format(got)


def test_logging_an_exception_where_there_is_none():
    """``logger.exception`` outside an ``except`` block looks as it does without workers."""
    (got,) = travel(make("x", exc_info=(None, None, None)))
    assert logging.Formatter().format(got) == "x\nNoneType: None"


def test_stack_info_arrives():
    """The field stack_info stays a field and is not merged into the message."""
    (got,) = travel(make("x", stack_info="Stack (most recent call last):"))
    assert got.stack_info == "Stack (most recent call last):"
    assert got.msg == "x"


@pytest.mark.parametrize(
    ("field", "value"),
    [("levelno", Level.LOUD), ("name", Text("app")), ("levelname", Text("LOUD")), ("lineno", None)],
)
def test_odd_types_in_standard_fields(field, value):
    """What marshal would refuse or change arrives as the plain value it equals."""
    (got,) = travel(make("x", **{field: value}))
    assert getattr(got, field) == value


@pytest.mark.parametrize(
    "fields", [{"created": "now"}, {"msecs": None}, {"funcName": ["unhashable"]}], ids=str
)
def test_nonsense_in_standard_fields_does_not_cost_the_record(fields):
    """A record factory that does strange things still gets its messages through."""
    (got,) = travel(make("x", **fields))
    assert got.getMessage() == "x"


def test_a_record_without_some_fields_arrives():
    """A record made by hand, or by an older sender, gets the usual values."""
    record = make("x")
    del record.funcName, record.relativeCreated, record.stack_info
    (got,) = travel(record)
    assert got.getMessage() == "x"
    assert got.name == "app.part"


@pytest.mark.parametrize("text", ["", "\ud800", "ä€😀", "nul\0", "line\nline"])
def test_any_text_is_a_message(text):
    """Also what UTF-8 has no bytes for."""
    (got,) = travel(make(text))
    assert got.msg == text


def test_a_message_that_is_data_stays_data():
    """JSON formatters and structlog look at the mapping; other objects become their text."""
    mapping, event, text = travel(
        make({"a": 1}), make({"lock": threading.Lock(), "b": [2]}), make(ValueError("v"))
    )
    assert mapping.msg == {"a": 1}
    assert mapping.getMessage() == "{'a': 1}"
    assert event.msg["lock"].startswith("<unlocked")
    assert event.msg["b"] == [2]
    assert text.msg == "v"


def test_a_record_class_that_renders_in_its_own_way():
    """Its message is rendered by it, in the worker, and is not rendered again."""
    record = Braces("app", 20, "/p.py", 1, "{} and {{}}", ("one",), None)
    (got,) = travel(record)
    assert got.getMessage() == "one and {}"


def test_an_error_in_rendering_is_the_callers():
    """Wrong arguments raise as they do in any handler, for ``handleError`` to report."""
    with pytest.raises(TypeError):
        wire.render(make("%d", "text"))


def test_a_formatters_leavings_are_not_extras():
    """What it leaves on the record, message and asctime, is made anew in the parent."""
    record = make("x")
    logging.Formatter("%(asctime)s %(message)s").format(record)
    (got,) = travel(record)
    assert not hasattr(got, "asctime")


@pytest.mark.skipif("taskName" not in logging.makeLogRecord({}).__dict__, reason="Python 3.12")
def test_the_task_of_asyncio_arrives():
    """The field taskName is the worker's, and None outside asyncio."""

    async def log() -> logging.LogRecord:
        return make("x")

    inside, outside = travel(asyncio.run(log()), make("y"))
    assert inside.taskName.startswith("Task-")
    assert outside.taskName is None


def test_endless_call_sites_do_not_grow():
    """Both ends forget old sites (threads come and go), and agree on which."""
    encoder, decoder = wire.Encoder(), wire.Decoder()
    old = make("old", threadName="first")
    for n in range(4 * wire.KEEP_SITES):
        for record in (make("x", threadName=f"t{n}"), old):
            frame, site = encode(encoder, record)
            if site is not None:
                encoder.remember(site)
            (got,) = decoder.feed(frame)
            assert got.threadName == record.threadName
    assert len(encoder._sites) <= wire.KEEP_SITES
    assert len(decoder._sites) <= 3 * wire.KEEP_SITES + 1


@pytest.mark.parametrize(
    "data", [bytes(64), wire.HEADER.pack(8, 16, 0, 0, 0), wire.HEADER.pack(32, 9, 0, 0, 0)]
)
def test_bytes_that_are_no_frames_are_an_error(data):
    """They are never waited for, nor taken for something else."""
    with pytest.raises(ValueError, match="frame"):
        list(wire.Decoder().feed(data))


def test_an_address_is_a_plain_value():
    """It survives pickling and, for plain subprocesses, one line of text."""
    address = Address("/tmp/a:b/hub", b"\x01" * TOKEN_SIZE, 42)
    assert pickle.loads(pickle.dumps(address)) == address
    assert Address.from_text(address.to_text()) == address


def test_a_hello_is_read_only_with_the_right_token():
    """Of a stranger's bytes nothing is unmarshalled."""
    token, other = b"a" * TOKEN_SIZE, b"b" * TOKEN_SIZE
    hello = Hello("records", 7, False)
    assert Hello.decode(hello.encode(token), token) == hello
    assert Hello.decode(hello.encode(other), token) is None
    assert Hello.decode(b"", token) is None
    assert Hello.decode(hello.encode(token)[:-3], token) is None
