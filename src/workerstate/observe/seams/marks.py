"""Numbers for pools: an object's identity may be another object's once it is gone."""

from __future__ import annotations

from _weakref import ref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_known: dict[int, tuple[Callable[[], object], int]] = {}
_count = 0


def mark(shared: object) -> int:
    """Give the number of a pool, by what its workers have in common: a queue, for example."""
    global _count
    known = _known.get(id(shared))
    if known is not None and known[0]() is shared:
        return known[1]
    _count += 1
    try:
        pointer: Callable[[], object] = ref(shared)
    except TypeError:  # it is kept, so that no other object gets its identity
        pointer = lambda: shared  # noqa: E731
    _known[id(shared)] = (pointer, _count)
    return _count
