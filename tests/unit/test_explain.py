"""explain: sizes, paths to what can't be pickled, and objects that do not cooperate."""

from __future__ import annotations

import functools
import io
import json
import multiprocessing
import pickle
import subprocess
import sys
import threading
import time
from collections import namedtuple
from dataclasses import dataclass
from typing import Any

import pytest

import workerstate
from workerstate.errors import BackendUnavailableError, SpecError
from workerstate.explaining import deadline, imports, picklers, shipping
from workerstate.explaining.calls import late_imports
from workerstate.explaining.picklers import PROTOCOL
from workerstate.explaining.task import explain_for
from workerstate.explaining.tracing import Sink
from workerstate.explaining.values import Explanation, Shipping

BACKENDS = ["multiprocessing", "loky"]


@pytest.fixture(autouse=True)
def _no_fresh_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the imports cost is tested with real workers."""
    monkeypatch.setattr(imports, "try_out", lambda backend, needs: imports.Cost())


def ship(backend: str, task: Any, *args: Any, **kwargs: Any) -> Shipping:
    """Explain a call for one backend."""
    if backend != "multiprocessing":
        pytest.importorskip("cloudpickle")
        pytest.importorskip(backend)
    (seen,) = explain_for([backend], task, args, kwargs).shippings
    return seen


def paths(seen: Shipping) -> list[str]:
    """Give the paths to what is refused."""
    return [refusal.path for refusal in seen.refusals]


def task(*args: Any, **kwargs: Any) -> None:
    """Do nothing, by reference."""


class Holder:
    """Holds what it is given."""

    def __init__(self, **held: Any) -> None:
        self.__dict__.update(held)

    def run(self) -> None:
        """Take the holder along."""

    def take(self, what: Any) -> None:
        """Take something more."""


@dataclass(frozen=True)
class Slotted:
    """Holds something in a slot."""

    __slots__ = ("held",)
    held: Any


TABLE = {"weights": [1.5] * 5000, "name": "x" * 300}
LOCK = threading.Lock()


def by_value(*names: str, **namespace: Any) -> Any:
    """Give a function of no module that names those globals."""
    exec(f"def made(): return {', '.join(names)}", namespace)
    made = namespace["made"]
    made.__module__ = "__main__"
    return made


# --- sizes


VALUES = [
    {"numbers": [*range(1000)], "nested": [[0.5] * 200] * 3},
    [("a", "b")] * 500,
    Holder(a=1, b=[Holder(c="d")]),
    b"x" * 200_000,
    {1, 2, 3},
    Slotted(bytearray(500)),
]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_the_size_is_that_of_the_pickle(backend: str, value: Any) -> None:
    """What the backend's own pickler writes is what is said, and the parts add up to it."""
    seen = ship(backend, task, value)
    file = io.BytesIO()
    picklers.backend(backend).make(file).dump((task, (value,), {}))
    assert seen.size == len(file.getvalue())
    sizes = {part.path: part.size for part in seen.parts}
    assert seen.size - 200 < sizes["task"] + sizes["argument 1"] <= seen.size + 50


def test_large_arrays_are_weighed_without_a_copy() -> None:
    """An array counts with its bytes; joblib's go through a file, which is said."""
    numpy = pytest.importorskip("numpy")
    array = numpy.zeros(1_000_000)
    for backend in BACKENDS:
        size = ship(backend, task, array).size
        assert size is not None
        assert 8_000_000 < size < 8_001_000
    seen = ship("joblib", task, [array], array)
    assert seen.size is not None
    assert seen.size < 2000
    (note,) = seen.notes
    assert "7.6 MiB in all" in note
    assert "map" in note


def test_the_heaviest_is_found_inside() -> None:
    """A heavy thing is named where it lies, though no global or argument is it."""
    seen = ship("multiprocessing", Holder(data={"frame": ["x" * 200_000], "small": 1}).run)
    heavy = [part.path for part in seen.parts if part.size > 200_000]
    assert "task -> self -> .data -> ['frame'] -> [0]" in heavy
    assert "task -> self -> .data -> ['frame'] -> [0]: str, 195.3 KiB" in str(
        Explanation("t", None, (seen,))
    )


def test_captured_globals_are_weighed_each() -> None:
    """A function by value brings the globals that it names, each with its size, and no other."""
    made = by_value("TABLE", "ONE", TABLE=TABLE, ONE=1, OTHER="x" * 9999)
    seen = ship("loky", made)
    assert seen.by == "value"
    sizes = {part.path: part.size for part in seen.parts}
    assert set(sizes) == {"task", "task -> global 'TABLE'", "task -> global 'ONE'"}
    whole = len(pickle.dumps(TABLE, PROTOCOL))
    assert whole - 100 < sizes["task -> global 'TABLE'"] <= whole


# --- what can't be pickled


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("value", "path"),
    [
        (LOCK, ""),
        ([0, LOCK], " -> [1]"),
        ({"a": {"b": (LOCK,)}}, " -> ['a'] -> ['b'] -> [0]"),
        (Holder(x=1, lock=LOCK), " -> .lock"),
        (Slotted(LOCK), " -> [0]" if sys.version_info < (3, 10) else " -> .held"),
        (Holder(child=Holder(lock=LOCK)), " -> .child -> .lock"),
        (functools.partial(task, LOCK), " -> arguments -> [0]"),
        ({5: 1, "x": 1, (1, 2): LOCK}, " -> [tuple]"),
    ],
)
def test_the_path_to_what_can_not_be_pickled(backend: str, value: Any, path: str) -> None:
    """The path leads through containers, attributes and slots to the very object."""
    seen = ship(backend, task, value)
    assert paths(seen) == [f"argument 1{path}"]
    assert "cannot pickle '_thread.lock' object" in seen.refusals[0].error
    assert "__getstate__" in seen.refusals[0].remedy
    assert seen.size is None
    assert not seen.arrives


def test_the_path_through_a_closure() -> None:
    """What a local function holds of its surroundings goes by that name."""
    held = Holder(lock=LOCK)

    def inner() -> Any:
        return held

    assert paths(ship("loky", inner)) == ["task -> closure 'held' -> .lock"]
    seen = ship("multiprocessing", inner)
    assert paths(seen) == ["task"]
    assert "test_the_path_through_a_closure.<locals>.inner" in seen.refusals[0].error


def test_the_path_through_globals_and_defaults() -> None:
    """A function by value is followed into the functions it names."""
    helper = by_value("LOCK", LOCK=LOCK)
    helper.__name__ = helper.__qualname__ = "helper"
    assert paths(ship("loky", by_value("helper", helper=helper))) == [
        "task -> global 'helper' -> global 'LOCK'"
    ]
    made = by_value()
    made.__code__ = (lambda first=None, second=None: None).__code__
    made.__defaults__ = (LOCK,)
    assert paths(ship("loky", made)) == ["task -> default 'second'"]


def test_all_that_is_refused_is_told() -> None:
    """Not only the first: whoever repairs one would meet the next."""
    seen = ship("multiprocessing", task, Holder(a=LOCK, b=(n for n in "x")), key=lambda: 1)
    assert paths(seen) == ["argument 1 -> .a", "argument 1 -> .b", "argument 'key'"]
    remedies = [refusal.remedy for refusal in seen.refusals]
    assert "as a list" in remedies[1]
    assert "loky sends a lambda" in remedies[2]


def test_what_only_inheritance_shares() -> None:
    """Locks and queues of multiprocessing go to workers once, not with a task."""
    lock = multiprocessing.get_context("spawn").Lock()
    seen = ship("multiprocessing", task, {"lock": lock})
    assert paths(seen) == ["argument 1 -> ['lock']"]
    assert "initargs" in seen.refusals[0].remedy


# --- objects that do not cooperate


class Raises:
    """Raises when pickled, something that can't even be said."""

    def __reduce__(self) -> Any:
        class Mute(Exception):
            def __str__(self) -> str:
                raise ValueError

        raise Mute


class Leaves:
    """Ends the process when pickled."""

    def __reduce__(self) -> Any:
        sys.exit(3)


class Odd:
    """Answers everything with nonsense."""

    def __eq__(self, other: object) -> bool:
        raise ZeroDivisionError

    def __hash__(self) -> int:
        raise ZeroDivisionError

    def __repr__(self) -> str:
        raise ZeroDivisionError

    def __reduce__(self) -> Any:
        return 17


class Busy:
    """Is never ready to be pickled."""

    def __reduce__(self) -> Any:
        while True:
            pass


class Waits:
    """Waits, outside Python, for what does not come; ``free`` lets it go on."""

    free = threading.Event()

    def __reduce__(self) -> Any:
        self.free.wait()
        return Waits, ()


@pytest.mark.parametrize("kind", [Raises, Leaves, Odd])
@pytest.mark.parametrize("backend", BACKENDS)
def test_an_object_that_fails_is_named(kind: type, backend: str) -> None:
    """Whatever its reducer raises is the reason; nobody else gets to see it."""
    seen = ship(backend, task, [1, kind()])
    assert paths(seen) == ["argument 1 -> [1]"]
    assert seen.refusals[0].error


@pytest.mark.parametrize("kind", [Busy, Waits])
def test_an_object_that_takes_for_ever_is_a_note(
    kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time is limited, and the note says where it went."""
    monkeypatch.setattr(shipping, "LIMIT_S", 0.3)
    Waits.free.clear()
    seen = ship("multiprocessing", task, {"slow": kind()})
    assert seen.size is None
    assert seen.notes[0].startswith("argument 1 -> ['slow']: not pickled within")
    assert "size not known" in str(Explanation("t", None, (seen,)))
    Waits.free.set()
    for thread in threading.enumerate():
        if thread.name == "workerstate":
            thread.join(10)
            assert not thread.is_alive()


def test_work_that_is_overdue_is_stopped() -> None:
    """A loop in Python ends where it is; what the work raises is the caller's to see."""
    assert deadline.within(10, lambda: None)
    assert not deadline.within(0.05, Busy().__reduce__)
    with pytest.raises(ZeroDivisionError):
        deadline.within(10, lambda: 1 // 0)
    sink = Sink(time.monotonic() - 1)
    assert not deadline.within(10, lambda: sink.write(b"x"))


def test_what_is_nested_deeply_is_a_note() -> None:
    """Where only the pickler written in Python gives up, the task can be sent."""
    value: Any = []
    for _ in range(250):
        value = [value]
    seen = ship("multiprocessing", task, value)
    assert seen.arrives
    assert seen.size
    (note,) = seen.notes
    assert note.startswith("argument 1 -> [0] -> [0] -> [0] -> [0] -> [0] -> ... -> [0]")
    assert "not looked into (RecursionError" in note


def test_a_cycle_and_a_shared_object() -> None:
    """What is met twice is sent once."""
    shared = Holder(text="x" * 5000)
    shared.__dict__["me"] = shared
    seen = ship("multiprocessing", task, shared, shared)
    first, second = (part for part in seen.parts if part.path.startswith("argument"))
    assert first.size > 5000
    assert second.size < 50


# --- the rest


def test_the_public_name_is_the_function() -> None:
    """Neither order of imports makes workerstate.explain a module."""
    for first in ("", "import workerstate.explaining.task; ", "import workerstate.cli.explain; "):
        program = f"{first}import workerstate; assert workerstate.explain.__name__ == 'explain'"
        subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_what_can_not_be_explained() -> None:
    """What can't be called is an error that says so, and so is a library that is not there."""
    with pytest.raises(SpecError, match="A int can't be called"):
        workerstate.explain(3)
    error = BackendUnavailableError("loky", "loky")
    assert "pip install workerstate[loky]" in str(error)


def test_an_explanation_is_plain_data() -> None:
    """As JSON it says all; as text it names each backend."""
    explanation = workerstate.explain(task, [1], key=2)
    assert explanation.shippings[0].backend == "multiprocessing"
    document = json.loads(json.dumps(explanation.as_dict()))
    assert document["task"] == f"{__name__}:task"
    assert document["shippings"][0]["by"] == "reference"
    assert [part["path"] for part in document["shippings"][0]["parts"]] == [
        "task",
        "argument 1",
        "argument 'key'",
    ]
    assert str(explanation).startswith(f"{__name__}:task  (")
    assert "\nmultiprocessing (pickle): by reference, " in str(explanation)


def test_functions_among_the_arguments_import_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A function that goes along by value imports in the worker what its code imports."""
    needs: list[imports.Needs] = []

    def note(_: object, asked: imports.Needs) -> imports.Cost:
        needs.append(asked)
        return imports.Cost()

    monkeypatch.setattr(imports, "try_out", note)
    made = by_value()
    made.__code__ = imports_later.__code__
    seen = ship("loky", task, made)
    assert needs[0].later == {"chunk_that_is_nowhere": made.__qualname__}
    assert seen.notes == ()


def test_a_function_without_its_module_is_a_note() -> None:
    """What importing its module does will not happen in the worker, which is easily overlooked."""
    (note,) = ship("loky", functools.partial(lambda: None)).notes
    assert f"the worker does not import {__name__} for it" in note


def test_what_would_differ_elsewhere() -> None:
    """A function of a module is told what the main module would make of it, and the reverse."""
    plain = " ".join(ship("multiprocessing", task).elsewhere)
    assert "Can't get attribute 'task' on <module '__main__'>" in plain
    there = " ".join(ship("loky", names_table).elsewhere)
    assert "in __main__: by value" in there
    assert "TABLE (44." in there
    assert f"would not import {__name__}" in there
    back = " ".join(ship("loky", by_value("TABLE", TABLE=TABLE)).elsewhere)
    assert "would go by reference" in back
    assert "TABLE" in back
    assert ship("loky", lambda: 1).elsewhere == ()


def test_functions_of_libraries_by_value_are_no_note() -> None:
    """What a named tuple or an enum is made of is no function of the program's."""
    made = by_value("Point", Point=namedtuple("Point", "x y"))
    seen = ship("loky", made)
    assert seen.arrives
    assert seen.notes == ()


def takes_two(first: Any, second: Any) -> None:
    """Have two parameters."""


def test_arguments_have_the_names_of_parameters() -> None:
    """Those that a partial or a method has already are not counted."""
    for named, name in (
        (takes_two, "first"),
        (functools.partial(takes_two, 1), "second"),
        (Holder().take, "what"),
    ):
        paths = [part.path for part in ship("multiprocessing", named, [3]).parts]
        assert f"argument {name!r}" in paths


def test_tasks_that_are_no_functions_have_names() -> None:
    """Methods, classes, partials, builtins and cached functions are named as what they are."""
    titles = {
        Holder().run: f"method {__name__}:Holder.run",
        Holder: f"class {__name__}.Holder",
        len: "builtin len",
        functools.partial(task): f"functools.partial {__name__}:task",
        cached: f"functools._lru_cache_wrapper {__name__}:cached",
    }
    for named, title in titles.items():
        assert explain_for(["multiprocessing"], named).task == title


@functools.lru_cache
def cached() -> None:
    """Be found by name, as its own wrapper."""


def names_table() -> Any:
    """Name one global of this module."""
    return TABLE


def imports_late() -> Any:
    """Import in many ways."""
    import wave
    from email import message  # noqa: F401

    def inner() -> None:
        import xml.dom  # noqa: F401

    return wave, inner, imports_later


def imports_later() -> None:
    """Import, called by another."""
    import chunk_that_is_nowhere  # noqa: F401


def test_imports_inside_functions_are_found() -> None:
    """In nested functions too, and relative ones by their whole name."""
    found = late_imports([imports_late])
    assert {"wave", "email", "xml.dom"} <= set(found)
    assert found["chunk_that_is_nowhere"] == "imports_later"
    relative: dict[str, Any] = {"__package__": "some.package"}
    exec("def f():\n from . import a\n from ..b import c\n import d", relative)
    assert set(late_imports([relative["f"]])) == {"some.package", "some.b", "d"}
