"""Unit: fingerprints are equal for equal content, run no code of the value, and stay in bounds."""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import fractions
import functools
import gc
import io
import json
import logging
import os
import pathlib
import pickle
import random
import re
import subprocess
import sys
import threading
import time
import types
import uuid
import weakref
from pathlib import Path

import pytest

from workerstate import fingerprint as fp
from workerstate.fingerprint import (
    NOT_READ,
    Text,
    describe_value,
    digest,
    fingerprint,
    looks_secret,
    ready,
)

SOURCE = Path(__file__).parent.parent.parent / "src"
CALLS: list[str] = []  # what hostile classes were asked for


@pytest.fixture(autouse=True)
def plain_texts():
    """Start each test without a salt, and with values hidden."""
    CALLS.clear()
    yield
    fp.set_salt(b"")
    fp.set_values(False)


def trap(name):
    """Give a method that notes that it was called, and fails."""

    def method(self, *args, **kwargs):
        CALLS.append(name)
        raise RuntimeError(name)

    return method


HOOKS = [
    "__repr__",
    "__str__",
    "__eq__",
    "__hash__",
    "__reduce__",
    "__reduce_ex__",
    "__getstate__",
    "__getattribute__",
    "__getattr__",
    "__len__",
    "__iter__",
    "__bool__",
    "__sizeof__",
    "__format__",
    "__instancecheck__",
    "__subclasscheck__",
    "__call__",
    "__get__",
    "__int__",
    "__index__",
    "__getitem__",
    "__contains__",
    "__dir__",
    "__lt__",
    "__buffer__",
    "keys",
    "items",
]
PROPERTIES = ["__class__", "__dict__", "__name__", "_name", "_mgr", "state"]


def hostile(base=object, metaclass=type):
    """Give a class of which every special method notes that it was called."""
    body = {name: trap(name) for name in HOOKS}
    body.update({name: property(trap(name)) for name in PROPERTIES})
    return metaclass("Hostile", (base,), body)


class HostileMeta(type):
    """A metaclass that notes every question asked of its classes."""

    __module__ = property(trap("meta __module__"))
    __mro__ = property(trap("meta __mro__"))
    __dict__ = property(trap("meta __dict__"))
    __hash__ = trap("meta __hash__")
    __eq__ = trap("meta __eq__")
    __getattribute__ = trap("meta __getattribute__")
    __instancecheck__ = trap("meta __instancecheck__")
    __subclasscheck__ = trap("meta __subclasscheck__")
    __repr__ = trap("meta __repr__")


class Plain:
    def __init__(self, **attributes):
        self.__dict__.update(attributes)


class Slotted:
    __slots__ = ("left", "right")


class Color(enum.Enum):
    RED = 1
    GREEN = 2


class Mode(enum.Flag):
    READ = 1
    WRITE = 2


def function(a, b=1, *, c=2):
    return a + b + c


def make_closure(value):
    def closure():
        return value

    return closure


@pytest.mark.parametrize(
    "base", [object, dict, list, tuple, set, frozenset, int, float, str, bytes, Exception, Plain]
)
def test_runs_no_code_of_an_instance(base):
    """No special method, property or hook of an instance's class is called."""
    value = base.__new__(hostile(base))
    CALLS.clear()
    for shown in (value, [value], {"key": value}, (value, value)):
        assert NOT_READ not in describe_value(shown)
        assert NOT_READ not in describe_value(shown, values=True)
        digest(shown)
        ready(shown)
    assert CALLS == []


def test_runs_no_code_of_a_metaclass():
    """Nothing is asked of a class through its metaclass, and instances of it are read."""
    cls = HostileMeta("Odd", (), {"__slots__": ("x",)})
    CALLS.clear()
    for value in (cls, object.__new__(cls), [object.__new__(cls)], {1: cls}):
        assert NOT_READ not in describe_value(value)
        assert NOT_READ not in describe_value(value, values=True)
    assert CALLS == []


def test_runs_no_code_of_keys():
    """Keys of a dict and items of a set are not hashed or compared again."""
    quiet = [True]

    class Key:
        def __hash__(self):
            if not quiet:
                CALLS.append("hash")
            return 1

        def __eq__(self, other):
            if not quiet:
                CALLS.append("eq")
            return self is other

    values = [{Key(): 1, Key(): 2}, {Key(), Key()}, frozenset([Key()]), Plain(key={Key(): 1})]
    values.append(collections.OrderedDict([(Key(), 1)]))
    quiet.clear()
    for value in values:
        assert NOT_READ not in describe_value(value)
    assert CALLS == []


def test_runs_no_code_of_modules_in_sys_modules(monkeypatch):
    """Objects that stand for numpy or decimal in sys.modules are not asked for anything."""
    for name in ("numpy", "decimal", "enum", "logging"):
        monkeypatch.setitem(sys.modules, name, object.__new__(hostile()))
    assert describe_value(Plain(a=1)).startswith("test_fingerprint.Plain #")
    assert CALLS == []


def test_believes_no_false_name():
    """A class that says it is a known one of the standard library is read as any other."""

    class Decimal:
        as_tuple = trap("as_tuple")

    Decimal.__module__, Decimal.__qualname__ = "decimal", "Decimal"
    value = Decimal()
    value.a = 1
    before = digest(value)
    value.a = 2
    assert digest(value) != before
    assert CALLS == []


def changed_pairs():
    """Give pairs of values that are alike but not equal."""
    left, right = Slotted(), Slotted()
    left.left, right.left = 1, 2
    return {
        "int": (1, 2),
        "int and bool": (1, True),
        "int and float": (1, 1.0),
        "huge int": (10**5000, 10**5000 + 1),
        "str": ("a", "b"),
        "str and bytes": ("a", b"a"),
        "surrogate": ("\udc80", "\udc81"),
        "end of a long str": ("a" * 5000, "a" * 4999 + "b"),
        "none and str": (None, "None"),
        "list": ([1, 2], [2, 1]),
        "list and tuple": ([1], (1,)),
        "nesting": ([[1], 2], [[1, 2]]),
        "strings joined": (["ab", "c"], ["a", "bc"]),
        "dict value": ({"a": 1}, {"a": 2}),
        "dict key": ({"a": 1}, {"b": 1}),
        "dict pairs": ({"a": "b", "c": "d"}, {"a": "d", "c": "b"}),
        "set": ({1, 2}, {1, 3}),
        "ordered": (
            collections.OrderedDict([("a", 1), ("b", 2)]),
            collections.OrderedDict([("b", 2), ("a", 1)]),
        ),
        "deque": (collections.deque([1]), collections.deque([2])),
        "counter": (collections.Counter("aab"), collections.Counter("ab")),
        "defaultdict": (collections.defaultdict(list), collections.defaultdict(set)),
        "attribute": (Plain(a=1), Plain(a=2)),
        "attribute name": (Plain(a=1), Plain(b=1)),
        "class": (Plain(), Slotted()),
        "slot": (left, right),
        "enum": (Color.RED, Color.GREEN),
        "flag": (Mode.READ, Mode.READ | Mode.WRITE),
        "code": (lambda: 1, lambda: 2),
        "names": (lambda: len, lambda: max),
        "closure": (make_closure(1), make_closure(2)),
        "closure of a list": (make_closure([1]), make_closure([2])),
        "defaults": (lambda a=1: a, lambda a=2: a),
        "keyword defaults": (lambda *, a=1: a, lambda *, a=2: a),
        "bound object": ([1].append, [2].append),
        "method": (Plain(a=1).__init__, Plain(a=2).__init__),
        "partial": (functools.partial(max, 1), functools.partial(max, 2)),
        "builtin": (len, max),
        "type": (int, float),
        "module": (os, sys),
        "pattern": (re.compile("a"), re.compile("b")),
        "pattern flags": (re.compile("a"), re.compile("a", re.IGNORECASE)),
        "path": (pathlib.Path("/a"), pathlib.Path("/b")),
        "date": (datetime.date(2020, 1, 1), datetime.date(2020, 1, 2)),
        "datetime": (datetime.datetime(2020, 1, 1), datetime.datetime(2020, 1, 1, 1)),
        "timezone": (
            datetime.datetime(2020, 1, 1),
            datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc),
        ),
        "timedelta": (datetime.timedelta(1), datetime.timedelta(2)),
        "decimal": (decimal.Decimal("1.0"), decimal.Decimal("1.00")),
        "fraction": (fractions.Fraction(1, 2), fractions.Fraction(1, 3)),
        "uuid": (uuid.UUID(int=1), uuid.UUID(int=2)),
        "random": (random.Random(1), random.Random(2)),
        "exception": (ValueError("a"), ValueError("b")),
        "exception class": (ValueError("a"), KeyError("a")),
        "bytearray": (bytearray(b"a"), bytearray(b"b")),
        "range": (range(2), range(3)),
        "slice": (slice(1), slice(2)),
        "complex": (1j, 2j),
        "proxy": (types.MappingProxyType({"a": 1}), types.MappingProxyType({"a": 2})),
        "namespace": (types.SimpleNamespace(a=1), types.SimpleNamespace(a=2)),
        "property": (property(lambda self: 1), property(lambda self: 2)),
        "static": (staticmethod(lambda: 1), staticmethod(lambda: 2)),
        "memory file": (io.StringIO("a"), io.StringIO("b")),
        "large list": ([0] * 50_000, [0] * 50_001),
        "large list's end": ([0] * 50_000, [0] * 49_999 + [1]),
        "large set": (set(range(50_000)), set(range(50_001))),
        "alias": (list[int], list[str]),
    }


PAIRS = changed_pairs()


@pytest.mark.parametrize("pair", PAIRS)
def test_different_content_gives_different_texts(pair):
    """Values that differ have different texts and digests, shown or hidden."""
    before, after = PAIRS[pair]
    assert digest(before) != digest(after)
    assert describe_value(before) != describe_value(after)
    assert describe_value(before, values=True) != describe_value(after, values=True)


@pytest.mark.parametrize("pair", [pair for pair in PAIRS if pair not in ("module", "random")])
def test_equal_content_gives_equal_texts(pair):
    """A value made anew has the text of the first one."""
    first, again = PAIRS[pair][0], changed_pairs()[pair][0]
    assert describe_value(first) == describe_value(again)
    assert describe_value(first, values=True) == describe_value(again, values=True)
    assert digest(first) == digest(again)


@pytest.mark.parametrize("pair", PAIRS)
def test_texts_are_short_and_hide_content(pair):
    """A hidden text names kind and size; no text is longer than a line."""
    for value in PAIRS[pair]:
        assert len(describe_value(value)) <= 80
        assert len(describe_value(value, values=True)) <= 80
    assert describe_value("hunter2") == f"str of 7 #{digest_of_text('hunter2')}"


def digest_of_text(value):
    """Give the hash that a text ends in."""
    return describe_value(value).rpartition("#")[2]


def test_order_of_insertion_does_not_matter():
    """Dicts that are equal have one text, whatever the order in which they were filled."""
    first = {"a": 1, "b": {"x": 1, "y": 2}}
    second = {"b": {"y": 2, "x": 1}, "a": 1}
    assert describe_value(first) == describe_value(second)
    assert describe_value(first, values=True) == describe_value(second, values=True)


IN_A_PROCESS = """
import sys, json
sys.path.insert(0, {source!r})
import test_fingerprint_values as values
from workerstate.fingerprint import describe_value, digest
said = [[describe_value(v), describe_value(v, values=True), digest(v)] for v in values.make()]
print(json.dumps(said))
"""
VALUES = """
import enum, functools, logging, pathlib, re, threading, uuid, random, datetime, decimal
class A:
    def __init__(self): self.names = {"x", "y", "z"}; self._hash = hash("x")
    def method(self): return {"a", "b"}
class E(enum.Enum):
    ONE = 1
def f(x, y={"p", "q"}): return x in {"one", "two", "three"}
def make():
    cycle = []; cycle.append(cycle)
    return [
        {"a", "b", "c", None, 1, (1, 2)}, frozenset("hello"), {"k": {"a", "b"}}, A(), A().method,
        f, A, E.ONE, functools.partial(f, 1), logging.getLogger("a"), pathlib.Path("/x"),
        re.compile("x"), threading.Lock(), uuid.UUID(int=3), random.Random(3), cycle,
        datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc), decimal.Decimal("1.5"),
        lambda: {"u", "v", "w"}, object(), threading.Event(), iter([]), [print, len],
        {str(n): {str(m) for m in range(5)} for n in range(30)}, threading.local(),
    ]
"""


def test_texts_are_equal_in_processes_with_other_hash_seeds(tmp_path):
    """Two interpreters with different hash seeds say equal values in equal texts."""
    (tmp_path / "test_fingerprint_values.py").write_text(VALUES)
    said = []
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", IN_A_PROCESS.format(source=str(SOURCE))],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        said.append(json.loads(done.stdout))
    assert said[0] == said[1]
    assert not any(NOT_READ in text for texts in said[0] for text in texts)


def test_the_main_module_has_one_name():
    """A class of the main module is said alike in the parent and under its name in workers."""
    parent, worker = type("A", (), {}), type("A", (), {})
    parent.__module__, worker.__module__ = "__main__", "__mp_main__"
    assert describe_value(parent) == describe_value(worker) == "class __main__.A"
    assert digest(parent()) == digest(worker())


def test_cycles_end():
    """A value that contains itself has a text, equal for equal shape."""
    first, second, other = [1], [1], [1, 2]
    for value in (first, second, other):
        value.append(value)
    assert describe_value(first) == describe_value(second)
    assert describe_value(first) != describe_value(other)
    knot = Plain()
    knot.self = {"knot": [knot]}
    assert NOT_READ not in describe_value(knot)


def test_deep_values_end():
    """A value nested deeper than can be followed is said to be read in part."""
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    assert describe_value(deep).endswith("in part")
    while deep:  # else the interpreter's own clean-up would have to nest as deep
        deep = deep.pop()


@pytest.mark.parametrize(
    "make",
    [
        lambda: list(range(10**6)),
        lambda: set(range(10**6)),
        lambda: dict.fromkeys(range(10**6)),
        lambda: [[n] for n in range(10**6)],
        lambda: [[str(n) for n in range(100)] for _ in range(10_000)],
        lambda: {n: [n] * 50 for n in range(9_000)},
        lambda: "x" * 10**8,
        lambda: tuple(Plain(a=n) for n in range(10**5)),
        lambda: Plain(a=list(range(10**6))),
    ],
)
def test_large_values_take_bounded_time(make):
    """A value of a million items takes no longer than a tenth of a second, and says it is cut."""
    value = make()
    took = []
    for _ in range(3):  # the least of three: other processes share the machine
        start = time.perf_counter()
        text = describe_value(value)
        took.append(time.perf_counter() - start)
    assert min(took) < 0.1
    assert text.endswith(("in part", NOT_READ))


def test_a_change_where_everything_is_read_is_never_missed():
    """Every single item of a list of ten thousand counts."""
    items = [str(n) for n in range(10_000)]
    whole = digest(items)
    for place in range(0, 10_000, 997):
        changed = list(items)
        changed[place] = "changed"
        assert digest(changed) != whole


def test_looking_changes_nothing():
    """A generator draws the same numbers, and a set keeps its order, after being looked at."""
    generator = random.Random(5)
    state = generator.getstate()
    describe_value(generator)
    assert generator.getstate() == state
    items = {str(n) for n in range(100)}
    before = list(items)
    describe_value(items)
    assert list(items) == before


def test_what_was_looked_at_can_be_collected():
    """Functions, classes and instances do not live longer for having been looked at."""

    def make():
        class Local:
            def method(self):
                return 1

        def inner(a=1):
            return Local

        def lone(a=1):
            return a

        values = [Local, Local(), inner, lone, Local().method]
        for value in values:
            describe_value(value)
            ready(value)
        return [weakref.ref(value) for value in (Local, inner, lone)]

    references = make()
    gc.collect()
    assert [reference() for reference in references] == [None, None, None]


def test_a_function_that_changed_has_another_text():
    """A new default, a new code object or a new attribute shows, though the function is known."""

    def changing(a=1, *, b=1):
        return a + b

    texts = [describe_value(changing)]
    changing.__defaults__ = (2,)
    texts.append(describe_value(changing))
    changing.__kwdefaults__["b"] = 2
    texts.append(describe_value(changing))
    changing.__code__ = (lambda a=1, *, b=1: a - b).__code__
    texts.append(describe_value(changing))
    changing.attribute = 1
    texts.append(describe_value(changing))
    assert len(set(texts)) == 5


def test_locks_tell_whether_they_are_held():
    """A held lock has another text than a free one."""
    lock = threading.Lock()
    free = describe_value(lock)
    with lock:
        assert describe_value(lock) != free
    assert describe_value(lock) == free


def test_what_cannot_be_read_is_named_by_its_type():
    """An object that hides all it holds is named, and marked as read in part."""
    generator = (n for n in [])
    assert describe_value(generator) == "object of generator"
    assert fingerprint(generator).partial
    assert not fingerprint([1]).partial
    assert fingerprint([1, generator]).partial
    assert describe_value([1, generator]).endswith("in part")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "None"),
        (True, "True"),
        (Color.RED, "test_fingerprint.Color.RED"),
        (Plain, "class test_fingerprint.Plain"),
        (os.path, "module posixpath"),
        (len, "function builtins.len"),
        (logging.getLogger("app.db"), "logger app.db"),
    ],
)
def test_what_a_name_says_in_full_has_no_hash(value, text):
    """Constants, classes, modules and loggers are said by their names."""
    assert describe_value(value) == text


def test_values_are_shown_if_asked_for():
    """With values=True, small builtin values show as a repr, cut ones with a hash besides."""
    assert describe_value({"a": [1, "x", None]}, values=True) == "{'a': [1, 'x', None]}"
    assert describe_value((1,), values=True) == "(1,)"
    assert describe_value({3, 1, 2}, values=True) == "{1, 2, 3}"
    long = describe_value(list(range(30)), values=True)
    assert long.startswith("[0, 1, 2")
    assert "… #" in long


def test_secrets_stay_hidden_in_shown_values():
    """The value of a secret-looking key never shows, yet a change of it does."""
    first = describe_value({"user": "ann", "password": "hunter2"}, values=True)
    second = describe_value({"user": "ann", "password": "hunter3"}, values=True)
    assert "hunter" not in first + second
    assert "'ann'" in first
    assert first != second


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("API_KEY", True),
        ("github_token", True),
        ("DB_PASSWORD", True),
        ("Authorization-Auth", True),
        ("SENTRY_DSN", True),
        ("MONKEY", False),
        ("KEYBOARD", False),
        ("AUTHOR", False),
        ("PATH", False),
    ],
)
def test_secret_names(name, secret):
    """Names are judged by their words, not by letters inside them."""
    assert looks_secret(name) is secret


def test_the_salt_keys_texts_and_not_digests():
    """Texts under different salts differ, so that values can't be guessed from them."""
    values = ["abc", 7, [1], function, Plain(a=1)]
    plain = [(describe_value(value), ready(value), digest(value)) for value in values]
    fp.set_salt(b"salt")
    salted = [(describe_value(value), ready(value), digest(value)) for value in values]
    for before, after in zip(plain, salted, strict=True):
        assert before[0] != after[0]
        assert before[1] != after[1]
        assert before[2] == after[2]
    fp.set_salt(b"")
    assert [describe_value(value) for value in values] == [each[0] for each in plain]


def test_ready_texts_follow_set_values():
    """Texts made while reading show values only after set_values, and never a secret's."""
    assert ready("fast", "MODE").startswith("str of 4 #")
    fp.set_values(True)
    assert ready("fast", "MODE") == "'fast'"
    assert ready("hunter2", "API_TOKEN").startswith("str of 7 #")


def test_a_ready_text_is_shown_as_it_is():
    """A text that stands for a value is not hashed again, before or after a pickle."""
    text = Text("dict of 3 #123456")
    assert describe_value(text) == text
    assert describe_value(pickle.loads(pickle.dumps(text))) == text
    assert describe_value("dict of 3 #123456") != text


@pytest.mark.parametrize("kind", ["generator", "legacy"])
def test_numpy_generators_are_read_without_drawing(kind):
    """A numpy generator's text changes when it draws, and looking draws nothing."""
    numpy = pytest.importorskip("numpy")
    make = numpy.random.default_rng if kind == "generator" else numpy.random.RandomState
    first, second = make(5), make(5)
    assert describe_value(first) == describe_value(second)
    assert first.random() == second.random()
    text = describe_value(first)
    first.random()
    assert describe_value(first) != text
    assert "in part" not in text


def test_numpy_arrays_by_dtype_shape_and_content():
    """Arrays that differ in dtype, shape or content have different texts; views of one have one."""
    numpy = pytest.importorskip("numpy")
    array = numpy.arange(12.0)
    alike = [array, array.copy(), numpy.arange(24.0)[:12], array.reshape(3, 4).ravel()]
    assert len({describe_value(value) for value in alike}) == 1
    other = [
        array,
        array.reshape(3, 4),
        array.astype("f4"),
        array + 1,
        numpy.array([1, "a"], object),
        numpy.zeros(2, [("a", "i4")]),
        numpy.zeros(2, [("b", "i4")]),
        numpy.float64(1),
        numpy.float32(1),
        numpy.zeros(()),
    ]
    assert len({describe_value(value) for value in other}) == len(other)
    assert describe_value(array.reshape(3, 4)).startswith("numpy.ndarray <f8 3x4 #")
    large = numpy.zeros(3 * 10**7)
    start = time.perf_counter()
    assert describe_value(large).endswith("in part")
    assert time.perf_counter() - start < 0.1


def test_pandas_tables_by_content():
    """Frames and series that differ in a value, a label or a dtype have different texts."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    changed = frame.copy()
    changed.loc[0, "a"] = 7
    values = [
        frame,
        changed,
        frame.rename(columns={"a": "c"}),
        frame["a"],
        frame["b"],
        frame.index,
        frame.columns,
    ]
    assert describe_value(frame) == describe_value(frame.copy())
    assert len({digest(value) for value in values}) == len(values)
    assert not any(NOT_READ in describe_value(value) for value in values)


def test_imports_are_few():
    """A worker that takes fingerprints imports none of the modules that would slow its start."""
    code = (
        "import sys; before = set(sys.modules)\n"
        "from workerstate.fingerprint import describe_value\n"
        "describe_value([1, {'a': lambda: 1}, len])\n"
        "print(*sorted(set(sys.modules) - before - set(sys.builtin_module_names)))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=True,
    )
    added = {name for name in done.stdout.split() if not name.startswith("workerstate")}
    assert added <= {"_blake2", "__future__"}
