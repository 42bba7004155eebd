"""What the walk through a task's code finds; every version of Python compiles it otherwise."""

from __future__ import annotations

import functools

import pytest
import reach_program as program

from workerstate.audit import exceptions
from workerstate.audit.reach import Reach
from workerstate.audit.units import modules_of

P = "reach_program"
# Task -> what it reads besides functions: root -> chains.
READS = {
    "key": {"OPTIONS": ["['depth']"]},
    "any_key": {"OPTIONS": [""]},
    "attribute": {"settings": [".path"]},
    "by_property": {"settings": [".debug"]},
    "by_method": {"settings": [".path"]},
    "by_super": {"special": [".path"], "LIMIT": [""]},
    "by_result": {"settings": [".path"]},
    "by_argument": {"settings": [".path"], "passed": ["(table)['width']"]},
    "by_local": {"settings": [".debug"]},
    "by_name": {"settings": [".path"]},
    "by_comprehension": {"OPTIONS": ["['depth']"]},
    "in_handler": {"settings": [".path"]},
    "by_closure": {"settings": [".debug"]},
    "by_registry": {"HANDLERS": [""], "LIMIT": [""]},
    "decorated": {"OPTIONS": ["['depth']"], "LIMIT": [""]},
    "memory": {"LIMIT": [""]},
    "of_class": {"Settings.rate": [""]},
    "context": {"NUMBER": [""]},
    "nothing": {},
}


def reach_of(name: str, *args: object) -> Reach:
    reach = Reach()
    reach.task(getattr(program, name), args or (1,), {})
    return reach


def data_read(reach: Reach) -> dict[str, list[str]]:
    """Give the names of data, and the ways into it, without the prefix."""
    found = {}
    for root, chains in reach.names.items():
        ways = [w for w in ("".join(chain) for chain in chains) if not w.endswith(("?", "!"))]
        name = root.removeprefix(P + ".")
        held = getattr(program, name, None)
        plain = not callable(held) or name == "NUMBER"
        if name.startswith(("Settings.where", "Settings.shown", "Settings.__init__", "Special.")):
            continue
        kept = ways if plain else [way for way in ways if way and not way.startswith("{")]
        if kept:
            found[name] = sorted(kept)
    return found


@pytest.mark.parametrize("task", READS)
def test_reads(task: str) -> None:
    """A task's reads are found to the attribute and the key, and no others."""
    assert data_read(reach_of(task)) == READS[task]


def test_class_attribute_of_an_argument() -> None:
    """The instance arrives with the task, what its class holds does not."""
    assert list(data_read(reach_of("of_instance", program.settings))) == ["Settings.rate"]


def test_arguments_are_of_one_task() -> None:
    """What one task gets as a key says nothing of the next."""
    assert data_read(reach_of("any_key", "depth")) == {"OPTIONS": [""]}


def test_places() -> None:
    """A read has the file and the line of the code that reads."""
    (place,) = reach_of("attribute").names[f"{P}.settings"].values()
    line = program.attribute.__code__.co_firstlineno + 1
    assert str(place) == f"{program.__file__}:{line}"


def test_variables() -> None:
    """Environment variables are found by each of the ways to ask for one."""
    assert set(reach_of("variable").variables) == {"TOKEN", "URL", "HOME"}


def test_stores() -> None:
    """What a task sets is told apart from what it reads."""
    reach = reach_of("stores")
    assert set(reach.stores) == {f"{P}.settings", f"{P}.OPTIONS"}
    assert reach.set_variables == {"TOKEN"}
    assert f"{P}.CACHE" in reach_of("lazily").stores


def test_identity() -> None:
    """A comparison by ``is`` is noted with what it is compared to."""
    assert list(reach_of("compares").identity) == [f"{P}.MISSING"]


def test_imports() -> None:
    """An import inside a function is one that the worker makes at the call."""
    assert reach_of("imports").imports[0] == "json"


def test_exceptions() -> None:
    """An exception is lost if its pickle can't give its constructor what it takes."""
    assert list(exceptions.lost(reach_of("raises"))) == [f"{P}.ApiError"]


def test_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A walk that reaches its bound stops, and says so."""
    monkeypatch.setattr("workerstate.audit.reach.MOST_FUNCTIONS", 0)
    assert any("larger" in note for note in reach_of("by_method").notes)


def test_modules_of_a_partial_are_those_of_what_it_holds() -> None:
    """What a partial calls and passes on is unpickled with it."""
    inner = functools.partial(print, program.key)
    for task in (functools.partial(program.nothing), functools.partial(map, inner)):
        assert P in modules_of((task, (), {}))
