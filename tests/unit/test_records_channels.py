"""What the parent reads from a worker's pipe, without workers."""

from __future__ import annotations

import contextvars
import logging
import math
import os
import sys

import pytest

from workerstate.records import variables
from workerstate.records.channels import LineChannel, RecordChannel, handle


def never() -> bool:
    return False


@pytest.fixture
def pipe():
    read_end, write_end = os.pipe()
    os.set_blocking(read_end, False)
    yield read_end, write_end
    for fd in (read_end, write_end):
        try:
            os.close(fd)
        except OSError:
            pass


def test_written_counts_what_was_and_was_not_read(pipe):
    """A goal for drain: bytes read before plus those that wait."""
    channel = RecordChannel(pipe[0], 1)
    assert channel.written() == 0
    os.write(pipe[1], b"x" * 100)
    assert channel.written() == 100
    channel.read()
    os.write(pipe[1], b"x" * 5)
    assert channel.written() == 105


def test_a_worker_that_has_ended_is_read_to_its_end(pipe):
    """Its channel is done when the end was seen, not when the bytes were."""
    channel = RecordChannel(pipe[0], 1)
    os.write(pipe[1], b"x")
    os.close(pipe[1])
    assert channel.written() == math.inf
    assert (channel.read(), channel.read()) == (b"x", b"")


def lines(*pieces: bytes, end: bool = True) -> list[str]:
    """Give what is written to stdout after each of the pieces."""

    class Stream:
        def __init__(self) -> None:
            self.texts: list[str] = []

        def write(self, text: str) -> None:
            self.texts.append(text)

        def flush(self) -> None:
            pass

    stream, before = Stream(), sys.stdout
    channel = LineChannel(-1, 1, "stdout")
    sys.stdout = stream  # type: ignore[assignment]
    try:
        for piece in (*pieces, b"") if end else pieces:
            channel.take(piece)
            channel.deliver(never)
    finally:
        sys.stdout = before
    return stream.texts


def test_lines_are_written_whole():
    """A line comes at once, whatever pieces it came in; what has no end comes at the end."""
    assert lines(b"on", b"e\ntwo\nthr", b"ee") == ["one\ntwo\n", "three"]


def test_a_progress_bar_is_shown_as_it_moves():
    """A carriage return ends a line as well."""
    assert lines(b"10%\r20", b"%\r", end=False) == ["10%\r", "20%\r"]


def test_a_line_without_end_is_not_kept_for_ever():
    """Beyond 64 KB it is passed on as it is."""
    assert lines(b"x" * 70_000, end=False) == ["x" * 70_000]


def test_bytes_that_are_no_text():
    """Native code may write anything; a character cut in two by a read stays whole."""
    assert lines(b"\xff\n", b"\xc3", b"\xa4\n") == ["\ufffd\n", "\xe4\n"]


@pytest.mark.parametrize("stream", [None, object()])
def test_a_stdout_that_can_not_be_written(stream, monkeypatch):
    """Lines of workers are lost then, and nothing is raised."""
    channel = LineChannel(-1, 1, "stdout")
    channel.take(b"line\n")
    monkeypatch.setattr(sys, "stdout", stream)
    channel.deliver(never)


def test_a_disabled_logger_stays_disabled(caplog):
    """A record is handled only if the logger of its name here would handle one of its own."""
    record = logging.LogRecord("app.quiet", 30, "/p", 1, "text", (), None)
    logger = logging.getLogger("app.quiet")
    handle(record)
    logger.disabled = True
    try:
        handle(record)
    finally:
        logger.disabled = False
    assert caplog.messages == ["text"]


def test_the_parents_factory_completes_a_record(monkeypatch):
    """What the worker had no record factory to add is added here; what it sent stays."""

    def factory(*args, **kwargs):
        made = logging.LogRecord(*args, **kwargs)
        made.run, made.tenant = "r7", "here"
        return made

    seen = []
    logger = logging.getLogger("factory.test")
    monkeypatch.setattr(logger, "handle", seen.append)
    logger.setLevel(logging.INFO)
    logging.setLogRecordFactory(factory)
    try:
        record = logging.LogRecord("factory.test", 30, "p.py", 1, "text", (), None)
        record.tenant = "there"
        handle(record)
    finally:
        logging.setLogRecordFactory(logging.LogRecord)
    assert [(each.run, each.tenant, each.msg) for each in seen] == [("r7", "there", "text")]


class Unloadable:
    """Pickles, and raises where it is loaded."""

    def __init__(self, kind):
        self.kind = kind

    def __reduce__(self):
        return _raise, (self.kind,)


def _raise(kind):
    raise kind("never")


GOOD = contextvars.ContextVar("good", default="default")
BAD = contextvars.ContextVar("bad", default="default")
GONE = contextvars.ContextVar("gone")


@pytest.mark.parametrize(("kind", "good"), [(ValueError, [1]), (SystemExit, "default")])
def test_variables_that_can_not_be_read_are_left_out(kind, good, monkeypatch, capsys):
    """A value that can't be loaded, a variable that isn't here: the record comes all the same."""
    monkeypatch.setattr(variables, "carried", {})
    here = f"{__name__}:"
    variables.carry([here + "BAD", here + "GOOD", here + "GONE", here + "pytest", "no_module:X"])
    assert [name.rpartition(":")[2] for name in variables.carried] == ["BAD", "GOOD", "GONE"]

    def send():
        GOOD.set([1])
        BAD.set(Unloadable(kind))
        GONE.set(1)
        return variables.now()

    record = logging.LogRecord("variables.test", 30, "p.py", 1, "text", (), None)
    fields = set(vars(record))
    vars(record).update(contextvars.Context().run(send))
    monkeypatch.delattr(sys.modules[__name__], "GONE")
    seen = []
    monkeypatch.setattr(
        logging.getLogger("variables.test"),
        "handle",
        lambda each: seen.append((each.msg, GOOD.get(), BAD.get(), set(vars(each)))),
    )
    handle(record)
    assert seen == [("text", good, "default", fields)]
    assert ("SystemExit" in capsys.readouterr().err) == (kind is SystemExit)


FACTORY_FIRST = """
import logging
def factory(*args, **kwargs):
    record = logging.LogRecord(*args, **kwargs)
    record.number = next(numbers)
    return record
numbers = iter(range(100))
logging.setLogRecordFactory(factory)
from workerstate.records import wire
encoder, decoder = wire.Encoder(), wire.Decoder()
for _ in range(2):
    record = factory("app", 30, "p.py", 1, "text", (), None)
    frame, site = encoder.encode(record, "text")
    (got,) = decoder.feed(frame)
    assert got.number == record.number, (got.number, record.number)
"""


def test_what_a_factory_adds_travels_with_each_record(run_plain):
    """Also where the factory was set before anything of ours was imported."""
    done = run_plain(FACTORY_FIRST)
    assert done.exit_code == 0, done.stderr
