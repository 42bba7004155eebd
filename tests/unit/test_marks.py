"""The numbers of pools."""

from __future__ import annotations

from workerstate.observe.seams.marks import mark


class _Queue:
    pass


class _Slots:
    """An object that can't be referred to weakly."""

    __slots__ = ()


def test_a_pool_keeps_its_number() -> None:
    """Asked again, the same object has the same number, and another one another."""
    first, second = _Queue(), _Slots()
    assert mark(first) == mark(first) != mark(second) == mark(second)


def test_a_number_is_never_used_again() -> None:
    """Objects that come one after the other, at the same address, have numbers of their own."""
    for kind in (_Queue, _Slots):
        places, numbers = set(), set()
        for _ in range(50):
            queue = kind()
            places.add(id(queue))
            numbers.add(mark(queue))
            del queue
        assert len(numbers) == 50
        if kind is _Queue:
            assert len(places) < 50  # else this shows nothing
