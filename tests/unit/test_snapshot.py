"""Unit: taking, comparing and applying snapshots, over facets made for the purpose."""

from __future__ import annotations

import json
import pickle

import pytest

from workerstate import facets, snapshot
from workerstate.errors import FacetError, UnknownFacetError
from workerstate.facets import Facet
from workerstate.fingerprint import NOT_READ
from workerstate.snapshot import (
    apply_settings,
    compare,
    compare_texts,
    take_snapshot,
    texts,
)
from workerstate.values import Captured, Difference


class Sample(Facet):
    """A facet whose state is a dictionary of the test's."""

    def __init__(self, name, settings=None, observed=None, **attributes):
        self.name = name
        self.settings = settings or {}
        self.observed = observed or {}
        self.applied = []
        self.__dict__.update(attributes)

    def capture(self):
        return Captured(dict(self.settings), dict(self.observed))

    def apply(self, settings):
        ORDER.append(self.name)
        self.settings.update(settings)


class Broken(Sample):
    def __init__(self, name, error):
        super().__init__(name)
        self.error = error

    def capture(self):
        raise self.error

    def apply(self, settings):
        raise self.error


ORDER: list[str] = []


@pytest.fixture
def use(monkeypatch):
    """Let the table hold only the given facets."""
    ORDER.clear()

    def use(*given):
        monkeypatch.setattr(facets, "_loaded", {facet.name: facet for facet in given})
        names = tuple(facet.name for facet in given)
        monkeypatch.setattr(facets, "BUILTIN", names)
        monkeypatch.setattr(snapshot, "BUILTIN", names)

    return use


def test_a_failing_facet_is_absent_with_its_reason(use):
    """A facet that can't be read is named with the reason, and the others are read."""
    use(Broken("bad", ValueError("no such thing")), Sample("good", {"a": 1}))
    taken = take_snapshot()
    assert taken.captured == {"good": Captured({"a": 1}, {})}
    assert taken.absent == {"bad": "facet 'bad': capture failed: ValueError: no such thing"}


def test_a_facet_says_itself_why_it_failed(use):
    """The reason that a facet gives is kept as it is."""
    use(Broken("bad", FacetError("bad", "capture", "half imported")))
    assert take_snapshot().absent == {"bad": "facet 'bad': capture failed: half imported"}


def test_a_facet_whose_library_is_not_imported_is_absent(use):
    """A facet is not asked before its library is imported."""
    use(Sample("lib", {"a": 1}, module="not_imported_by_anyone"))
    assert take_snapshot().absent == {"lib": "not_imported_by_anyone is not imported"}


def test_interrupts_are_not_swallowed(use):
    """A keyboard interrupt during a snapshot reaches the program."""
    use(Broken("bad", KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        take_snapshot()


def test_an_unknown_name_is_an_error_that_names_the_near_one():
    """Asking for a facet that is not there says what it may have meant."""
    with pytest.raises(UnknownFacetError, match="did you mean 'logging'"):
        take_snapshot(["loging"])


def test_snapshots_are_values(use):
    """Snapshots of the same state are equal, and stay so over a pickle."""
    use(Sample("a", {"x": 1}, {"y": (1, 2)}))
    assert take_snapshot() == take_snapshot()
    assert pickle.loads(pickle.dumps(take_snapshot())) == take_snapshot()


def test_texts_can_be_kept_as_json(use):
    """All of a snapshot as texts survives JSON, and compares as before."""
    use(Sample("a", {"x": object(), "z": b"\xff"}, {"y": {1, 2}}))
    said = texts(take_snapshot())
    assert json.loads(json.dumps(said)) == said
    assert compare_texts(said, json.loads(json.dumps(said))) == []


def test_a_snapshot_does_not_differ_from_itself(use):
    """Comparing equal snapshots gives nothing."""
    use(Sample("a", {"x": [1], "y": float("nan")}), Sample("b"))
    assert compare(take_snapshot(), take_snapshot()) == []


def test_differences_name_facet_key_and_both_texts(use):
    """A change, a key gone and a key come are told apart, in the order of the table."""
    first, second = Sample("a", {"same": 1, "old": 2, "x": 3}), Sample("b", {"y": None})
    use(second, first)
    before = take_snapshot()
    first.settings = {"same": 1, "x": 4, "new": 5}
    second.settings = {"y": True}
    shown = compare(before, take_snapshot(), values=True)
    assert shown == [
        Difference("b", "y", "None", "True"),
        Difference("a", "old", "2", None),
        Difference("a", "x", "3", "4"),
        Difference("a", "new", None, "5"),
    ]
    hidden = compare(before, take_snapshot())
    assert [each.replace(before=None, after=None) for each in hidden] == [
        each.replace(before=None, after=None) for each in shown
    ]
    assert "int #" in hidden[2].before


def test_comparing_the_other_way_round_swaps_the_texts(use):
    """The differences from b to a are those from a to b with before and after exchanged."""
    facet = Sample("a", {"x": 1, "gone": 2})
    use(facet)
    before = take_snapshot()
    facet.settings = {"x": 2, "come": 3}
    after = take_snapshot()
    swapped = {(d.facet, d.key, d.after, d.before) for d in compare(after, before)}
    assert swapped == {(d.facet, d.key, d.before, d.after) for d in compare(before, after)}


def test_values_are_compared_without_running_their_code(use):
    """A value whose comparison fails does not break comparing."""

    class Hostile:
        def __eq__(self, other):
            raise AssertionError("compared")

        __hash__ = None

        def __repr__(self):
            raise AssertionError("shown")

    use(Sample("a", {"x": Hostile()}))
    assert compare(take_snapshot(), take_snapshot()) == []


def test_a_facet_that_is_absent_on_one_side_is_not_compared(use):
    """Nothing is claimed about a facet that could not be read in one of two processes."""
    facet = Sample("a", {"x": 1})
    use(facet)
    before = take_snapshot()
    use(Broken("a", ValueError()))
    assert compare(before, take_snapshot()) == []
    assert compare(take_snapshot(), before) == []


def test_a_library_that_is_not_imported_has_its_defaults(use):
    """Where a facet keeps changes only, a worker without the library lacks the parent's changes."""
    use(Sample("a", {"level": 10}, module="sys", sparse=True))
    before = take_snapshot()
    use(Sample("a", module="not_imported_by_anyone", sparse=True))
    after = take_snapshot()
    assert compare(before, after, values=True) == [Difference("a", "level", "10", None)]
    assert compare(after, before, values=True) == [Difference("a", "level", None, "10")]


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        (f"dict of 3, {NOT_READ}", "dict of 3 #123456", True),
        (f"dict of 3, {NOT_READ}", f"dict of 3, {NOT_READ}", True),
        (f"dict of 3, {NOT_READ}", "dict of 4 #123456", False),
        (f"dict of 3, {NOT_READ}", "dict of 31 #123456", False),
        (NOT_READ, "dict of 4 #123456", True),
        ("dict of 3 #123456", "dict of 3 #123457", False),
        (NOT_READ, None, False),
    ],
)
def test_what_was_not_read_in_one_process_is_no_difference(before, after, same):
    """A value that took too long in one process differs only if its kind or size does."""
    for old, new in ((before, after), (after, before)):
        left = {} if old is None else {"key": old}
        right = {} if new is None else {"key": new}
        assert (compare_texts({"a": left}, {"a": right}) == []) is same


def test_settings_are_applied_in_an_order_that_lets_them_last(use):
    """What imports find comes first, then what imports, then what an import could change."""
    use(
        Sample("warnings"),
        Sample("library", imports=True),
        Sample("path", phase="exec"),
        Sample("logging"),
    )
    apply_settings({name: {"x": 1} for name in ("logging", "warnings", "library", "path")})
    assert ORDER == ["path", "library", "warnings", "logging"]


def test_an_apply_that_fails_names_the_facet(use):
    """Whatever a facet raises becomes a FacetError that names it, with the cause."""
    use(Broken("bad", ValueError("no")), Sample("good"))
    with pytest.raises(FacetError, match="facet 'bad': apply failed: ValueError: no") as caught:
        apply_settings({"bad": {"x": 1}})
    assert isinstance(caught.value.__cause__, ValueError)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_an_unknown_facet_is_refused_before_anything_is_applied(use):
    """A name that no facet has changes nothing."""
    use(Sample("good"))
    with pytest.raises(UnknownFacetError):
        apply_settings({"good": {"x": 1}, "odd": {}})
    assert ORDER == []
