"""The hook's own JSON: whatever a program calls its things, a line stays a line."""

from __future__ import annotations

import json
import random
import sys

import pytest

from workerstate.observe import hook

HOSTILE = [
    "",
    "plain",
    'a "quoted" \\ back',
    "line\nbreak\r\ttab",
    "\0\x01\x1f\x7f\x80\x9f",
    "grüße",
    "\u2028\u2029",
    "\ud800",
    "\udcff tail",
    "\U0001f600 and \U0010ffff",
    "</script>",
    "\\u0041",
    "x" * 100_000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_text_comes_back(text: str) -> None:
    """Any text is written as one line of ASCII, and read again as it was."""
    written = hook.quote(text)
    assert written.isascii()
    assert "\n" not in written
    assert json.loads(written) == text


def test_every_character_comes_back() -> None:
    """No character of the first planes, lone surrogates included, is written wrongly."""
    rare = range(0x11000, sys.maxunicode + 1, 97)
    everything = [chr(number) for number in (*range(0x11000), *rare)]
    for first in range(0, len(everything), 0x400):
        # With a letter in between no two surrogates make a pair.
        text = "-".join(everything[first : first + 0x400])
        assert json.loads(hook.quote(text)) == text


def _random_value(rng: random.Random, depth: int = 0) -> object:
    kinds = ["none", "bool", "int", "float", "text"] + ["list", "dict"] * (depth < 4)
    kind = rng.choice(kinds)
    if kind == "list":
        return [_random_value(rng, depth + 1) for _ in range(rng.randrange(4))]
    if kind == "dict":
        return {
            "".join(chr(rng.randrange(1, 0x500)) for _ in range(3)): _random_value(rng, depth + 1)
            for _ in range(rng.randrange(4))
        }
    simple = {
        "none": None,
        "bool": rng.random() < 0.5,
        "int": rng.randrange(-(10**30), 10**30),
        "float": rng.uniform(-1e300, 1e300),
        "text": "".join(chr(rng.randrange(0xD800)) for _ in range(rng.randrange(6))),
    }
    return simple[kind]


def test_plain_data_comes_back() -> None:
    """Nested plain data is read again as it was written."""
    rng = random.Random(1)
    for _ in range(300):
        value = _random_value(rng)
        assert json.loads(hook.encode(value)) == value


class _Text(str):
    __slots__ = ()

    def __str__(self) -> str:
        raise AssertionError("the program's code was run")


class _Number(int):
    pass


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ((1, (2,)), [1, [2]]),
        (float("nan"), None),
        (float("inf"), None),
        (-float("inf"), None),
        ({1: 2, None: 3}, {"1": 2, "None": 3}),
        (b"bytes", "bytes"),
        (object(), "object"),
        (_Number(3), "_Number"),
        (_Text("of a class"), "of a class"),
        ({2, 3}, "set"),
    ],
)
def test_other_values_become_something_safe(value: object, read: object) -> None:
    """What JSON has no word for becomes null, a text or the name of its type; no code is run."""
    assert json.loads(hook.encode(value)) == read


def test_a_line_is_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole lines go out in one write, so that a process killed at any moment tears none."""
    written: list[bytes] = []
    monkeypatch.setattr(hook, "os_write", lambda _, data: written.append(data) or len(data))
    monkeypatch.setattr(hook, "is_ours", lambda *_: True)
    hook.emit("event", text="x" * 9000)
    hook.append("one\ntwo\n")
    assert len(written) == 2
    assert json.loads(written[0])["text"] == "x" * 9000
    assert written[0].count(b"\n") == 1
    assert written[0].endswith(b"}\n")


def test_lost_lines_are_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be written, or only in part, is counted and told with the next line."""
    outcomes = iter([OSError(28, "full"), 3, None, None])
    written: list[bytes] = []

    def write(_: int, data: bytes) -> int:
        outcome = next(outcomes)
        if isinstance(outcome, OSError):
            raise outcome
        written.append(data[:outcome])
        return len(written[-1])

    monkeypatch.setattr(hook, "os_write", write)
    for number in range(4):
        hook.append(f'{{"n":{number}}}\n')
    lines = b"".join(written).split(b"\n")
    assert [line for line in lines if line.startswith(b'{"n"')] == [b'{"n":2}', b'{"n":3}']
    assert [line for line in lines if b"lost" in line][-1] == b'{"ev":"lost","lost":2}'
    assert hook.lost == 0


def test_importing_the_hook_does_nothing() -> None:
    """The module only defines: no journal is open, nothing is wrapped."""
    import os

    assert hook.journal() == ""
    assert "workerstate" not in os._exit.__module__
