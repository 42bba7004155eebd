"""Drift without processes: policies, sentences, what is natural, the way to the parent."""

from __future__ import annotations

import builtins
import os
import random
import subprocess
import sys
import warnings

import pytest

from workerstate import Drift, DriftError, DriftWarning
from workerstate.drift import natural
from workerstate.drift.looks import LOOKS, frozen
from workerstate.drift.policy import ONLY_IF_NAMED, policies, size
from workerstate.drift.reading import State, differences
from workerstate.drift.reports import Inbox, Outbox
from workerstate.facets import WATCHED, get
from workerstate.values import Captured

EXPENSIVE = {"typing", "dataclasses", "argparse", "inspect", "json", "enum", "ast", "pathlib"}


def drift(**more):
    given = {"task": "app.work", "facet": "environ", "key": "MODE", "before": None, "after": "'x'"}
    return Drift(**{**given, "policy": "warn", "number": 2, "pid": 7, **more})


@pytest.mark.parametrize(
    ("given", "bytes_"),
    [(5, 5), ("300 MB", 300_000_000), ("1.5GiB", 3 * 2**29), ("64 KiB", 65536), ("12", 12)],
)
def test_a_size_in_words(given, bytes_):
    """MB is 10**6 bytes, MiB 2**20; a number is itself."""
    assert size(given) == bytes_


@pytest.mark.parametrize("given", ["big", "MB", "-3 MB", 0, None, True, "3 parsecs", 2.5])
def test_what_is_no_size(given):
    """A text without a number, an unknown unit, nothing at all: none is guessed at."""
    with pytest.raises(ValueError):
        size(given)


def test_one_word_is_for_all_but_the_dear_facets():
    """A policy without names covers every facet but those that are looked at only if named."""
    found = policies("warn")
    assert set(found.facets()) == set(WATCHED) - set(ONLY_IF_NAMED)
    assert {found.of(name) for name in WATCHED} == {"warn"}


def test_names_go_before_the_rest():
    """What is named has its own policy and limit, ``*`` is for the others."""
    found = policies({"memory": ("retire", "1 MB"), "cwd": "ignore", "flags": "error", "*": "warn"})
    assert (found.of("memory"), found.limits) == ("retire", {"memory": 1_000_000})
    assert "cwd" not in found.facets()
    assert "flags" in found.facets()
    assert found.retires


def test_without_a_star_the_others_are_ignored():
    """Only what is named is looked at; nothing, if all of that is ignored."""
    assert policies({"cwd": "warn"}).facets() == ("cwd",)
    assert policies({"cwd": "ignore"}) is None
    assert policies("ignore") is None


SENTENCES = [
    ({}, "app.work set environ: MODE to 'x', in worker 2 (pid 7)"),
    ({"before": "'a'"}, "app.work changed environ: MODE from 'a' to 'x'"),
    ({"before": "'a'", "after": None}, "app.work removed environ: MODE (it was 'a')"),
    (
        {"facet": "logging", "key": "root.handlers", "after": "StreamHandler to stderr"},
        "app.work added a handler to the root logger (StreamHandler to stderr)",
    ),
    (
        {"facet": "logging", "key": "a.b.handlers", "before": "X", "after": "X, Y, Z"},
        "app.work added 2 handlers to logger 'a.b' (Y, Z)",
    ),
    (
        {"facet": "logging", "key": "root.handlers", "before": "X, Y", "after": "X"},
        "app.work removed a handler from the root logger (Y)",
    ),
    (
        {"facet": "logging", "key": "root.handlers", "before": "X", "after": "Y"},
        "app.work changed the handlers of the root logger from X to Y",
    ),
    (
        {"facet": "memory", "key": "resident", "before": "10.0 MB", "after": "400.0 MB"},
        "app.work is the task at which memory had grown from 10.0 MB to 400.0 MB",
    ),
    (
        {"facet": "sys_modules", "key": "m", "after": "module m (not imported)"},
        "app.work put module m (not imported) into sys.modules['m']",
    ),
    ({"facet": "threads", "key": "names", "after": "pump"}, "app.work left threads running: pump"),
    ({"since": 5}, "one of the last 5 tasks (the last one: app.work) set environ: MODE"),
    ({"problem": "it can't be put back"}, "(pid 7); it can't be put back"),
    ({"facet": "", "problem": "could not be checked"}, "app.work, in worker 2 (pid 7): could not"),
]


@pytest.mark.parametrize(("facts", "sentence"), SENTENCES)
def test_each_drift_has_its_sentence(facts, sentence):
    """The task, what it did, and where."""
    assert sentence in str(drift(**facts))


def test_an_error_says_each_change():
    """Error and warning are made of changes, and say them."""
    error = DriftError(drift(), drift(key="OTHER"))
    assert str(error) == f"{drift()}; {drift(key='OTHER')}"
    assert str(DriftWarning(drift())) == str(drift())


@pytest.mark.parametrize("name", LOOKS)
def test_a_look_is_still_while_nothing_moves(name):
    """Each look is of a facet that is watched, and two in a row are equal."""
    assert name in WATCHED
    before = frozen(LOOKS[name]())
    assert LOOKS[name]() == before


def test_a_builtin_may_be_missing(monkeypatch):
    """What programs replace they may remove as well: the look goes on, and tells."""
    before = frozen(LOOKS["builtins"]())
    monkeypatch.delitem(vars(builtins), "input")
    assert frozen(LOOKS["builtins"]()) != before


def test_a_name_of_an_extension_module_is_no_drift():
    """pybind11 keeps what its modules share in builtins; other new names are a task's."""
    before = State(Captured({}, {}))
    for name, expected in (("__pybind11_internals_v4__", True), ("own", False)):
        after = State(Captured({name: 1}, {}))
        assert natural.is_natural("builtins", name, before, after, [], 0) is expected


def test_a_frozen_look_does_not_follow():
    """Lists and dictionaries that go on are copied, also those inside."""
    alive = ([1], {"a": 1}, (2, [3]))
    kept = frozen(alive)
    alive[0].append(2)
    alive[1]["b"] = 2
    alive[2][1].append(4)
    assert kept == ([1], {"a": 1}, (2, [3]))


@pytest.mark.parametrize("draws", [0, 1, 311, 312, 313, 700, 5000, 100_000])
def test_drawing_is_not_seeding(draws):
    """However many numbers a task has drawn, by the time it took."""
    generator = random.Random(5)
    before = generator.getstate()
    for _ in range(draws):
        generator.random()
    states = State(Captured({}, {}), before), State(Captured({}, {}), generator.getstate())
    assert natural.is_natural("random", "state", *states, [], draws * 20)


@pytest.mark.parametrize("draws", [0, 1, 311, 312, 313, 700])
def test_seeding_is_not_drawing(draws):
    """Also where numbers were drawn afterwards."""
    generator = random.Random(5)
    before = generator.getstate()
    generator.seed(7)
    for _ in range(draws):
        generator.random()
    states = State(Captured({}, {}), before), State(Captured({}, {}), generator.getstate())
    assert not natural.is_natural("random", "state", *states, [], draws * 20)


FILTERS = (("ignore", None, "builtins:DeprecationWarning", None, 0),)
ADDED = [
    (("ignore", "pytest.dtype size changed", "builtins:Warning", None, 0), True),
    (("always", None, "_pytest.warning_types:PytestWarning", None, 0), True),
    (("ignore", "some other's message", "builtins:Warning", None, 0), True),
    (("error", "some other's message", "builtins:Warning", None, 0), False),
    (("error", None, "builtins:Warning", None, 0), False),
    (("ignore", None, "builtins:Warning", None, 0), False),
]


@pytest.mark.parametrize(("entry", "expected"), ADDED)
def test_filters_of_a_library_come_with_its_import(entry, expected):
    """A filter that names the library, or silences one message, is its own; a broad one is not."""
    states = [State(Captured({"filters": filters}, {})) for filters in (FILTERS, (entry, *FILTERS))]
    assert natural.is_natural("warnings", "filters", *states, ["_pytest"], 0) is expected
    assert not natural.is_natural("warnings", "filters", *states, [], 0)


LOGGERS = [
    ("_pytest.x.level", "10", True),
    ("_pytest.handlers", "FileHandler to x", True),
    ("jobs.level", "10", True),
    ("jobs.handlers", "NullHandler", True),
    ("jobs.handlers", "FileHandler to x", False),
    ("root.handlers", "StreamHandler to stderr", False),
    ("logging:disable", "10", False),
]


@pytest.mark.parametrize(("key", "value", "expected"), LOGGERS)
def test_loggers_of_a_library_come_with_its_import(key, value, expected):
    """What nobody had set up before, and writes to no file unless it is the library's."""
    states = State(Captured({}, {})), State(Captured({}, {key: value}))
    assert natural.is_natural("logging", key, *states, ["_pytest"], 0) is expected
    assert not natural.is_natural("logging", key, *states, [], 0)


def test_threads_that_end_are_no_drift():
    """Fewer than before is nothing left behind."""
    many, few = (State(Captured({}, {"threads": n, "names": "x" * n})) for n in (3, 2))
    assert natural.goes_without_saying("names", many, few)
    assert not natural.goes_without_saying("names", few, many)
    assert natural.goes_without_saying("threads", few, many)


def test_differences_are_by_value():
    """Equal values that are other objects are no difference; a key that goes or comes is one."""
    before = State(Captured({"A": "x" * 50, "B": "1", "C": "2"}, {}))
    after = State(Captured({"A": "".join(["x"] * 50), "B": "one", "D": "3"}, {}))
    found = {key: (was, now) for key, was, now in differences("environ", before, after)}
    assert found == {"B": ("'1'", "'one'"), "C": ("'2'", None), "D": (None, "'3'")}


def test_secrets_stay_hidden():
    """A variable that looks like a secret is not shown, though it changed."""
    states = [State(Captured({"API_TOKEN": value}, {})) for value in ("hunter1", "hunter22")]
    ((_, before, after),) = differences("environ", *states)
    assert before != after
    assert "hunter" not in before + after


def test_the_parent_reads_what_workers_write(tmp_path):
    """In their order, once, with every field; a change that is told again is not."""
    place = str(tmp_path / "fleet")
    os.mkdir(place)
    inbox, first, second = Inbox(place), Outbox(place), Outbox(place)
    assert inbox.all() == []
    first.tell([drift(), drift(key="OTHER", since=4, problem="no")])
    first.tell([drift()])
    second.tell([drift(number=3)])
    assert inbox.all() == [drift(), drift(key="OTHER", since=4, problem="no"), drift(number=3)]


def test_half_a_line_is_left_for_later(tmp_path):
    """What a worker is about to write is not read before it is whole."""
    inbox, outbox = Inbox(str(tmp_path)), Outbox(str(tmp_path))
    outbox.tell([drift()])
    path = tmp_path / "drift"
    data = path.read_bytes()
    path.write_bytes(data + data[:20])
    assert inbox.all() == [drift()]
    path.write_bytes(data + data)
    assert inbox.all() == [drift(), drift()]


def test_what_was_told_before_is_not_told_again(tmp_path):
    """Who listens from now on hears nothing of what an earlier pool's workers have told."""
    outbox = Outbox(str(tmp_path))
    outbox.tell([drift()])
    inbox = Inbox(str(tmp_path))
    outbox.tell([drift(key="OTHER")])
    assert inbox.all() == [drift(key="OTHER")]


def test_a_warning_is_for_who_asked_and_said_once(tmp_path):
    """One for each function, facet and key, at the line that asked; none of what was reset."""
    inbox, outbox = Inbox(str(tmp_path)), Outbox(str(tmp_path))
    outbox.tell([drift(), drift(policy="reset", key="QUIET"), drift(key="LOUD", problem="no")])
    Outbox(str(tmp_path)).tell([drift(number=3)])
    with pytest.warns(DriftWarning) as got:
        inbox.warn()
    inbox.warn()
    assert [warning.message.args[0].key for warning in got] == ["MODE", "LOUD"]
    assert {warning.filename for warning in got} == {__file__}


def test_where_warnings_are_errors_none_is_lost(tmp_path):
    """The first is raised; the next call raises the next."""
    inbox, outbox = Inbox(str(tmp_path)), Outbox(str(tmp_path))
    outbox.tell([drift(), drift(key="OTHER")])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for key in ("MODE", "OTHER"):
            with pytest.raises(DriftWarning, match=key):
                inbox.warn()
        inbox.warn()


def test_a_worker_far_away_logs(tmp_path, caplog):
    """Where the parent's folder is not, the worker's own log is what is left."""
    Outbox(str(tmp_path / "not" / "there")).tell([drift()])
    assert str(drift()) in caplog.text


def test_builtins_and_modules_can_be_put_back():
    """Names that were added go, and those that were replaced come back."""
    for name, namespace in (
        ("builtins", vars(__import__("builtins"))),
        ("sys_modules", sys.modules),
    ):
        before = get(name).capture().settings
        namespace["left_behind"] = None
        try:
            after = get(name).capture().settings
            assert set(after) - set(before) == {"left_behind"}
        finally:
            del namespace["left_behind"]


def test_a_worker_imports_nothing_dear_for_it():
    """All that watches a worker comes without typing, dataclasses and the like."""
    program = (
        "import sys; import workerstate.drift.watch, workerstate.drift.acting, "
        "workerstate.drift.reports, workerstate.drift.holding; print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert not EXPENSIVE & set(done.stdout.decode().split())
