"""The worker's side of seeds: each item of a chunk draws by its own index, wherever it is cut.

A chunk is a sequence over which a function of the library's iterates. What takes its place seeds
when it is asked for the next item, and has returned before that is called.
"""

from __future__ import annotations

from itertools import count

from workerstate.observe import declare, hook
from workerstate.observe.seams import names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any


class _Seeded(list):  # type: ignore[type-arg]
    """The items of a chunk; the first has the index at which the task begins."""

    def __init__(self, items: Iterable[Any], task: declare.Task) -> None:
        super().__init__(items)
        self._task = task

    def __iter__(self) -> Iterator[Any]:
        root, call, first = self._task

        def seeded(index: int, item: Any) -> Any:
            hook.quietly(declare.seed, (root, call, index))
            return item

        return map(seeded, count(first), super().__iter__())


def seeded(called: Any, args: Any) -> Any:
    """Give the arguments with which a task is to be called, so that each item is seeded."""
    task = declare.task
    if task is None:
        return args
    owner = names.batch_owner(called)
    if owner is not None:
        owner.items = _Seeded(owner.items, task)
    elif names.is_futures_chunk(called) and args:
        return (_Seeded(args[0], task), *args[1:])
    elif names.is_pool_chunk(called) and args:
        function, items = args[0]
        return ((function, _Seeded(items, task)), *args[1:])
    elif names.is_pebble_chunk(called) and len(args) == 2:
        return (args[0], _Seeded(args[1], task))
    return args
