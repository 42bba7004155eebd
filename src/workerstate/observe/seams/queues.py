"""Views of a worker's queues that tell when they are asked, without a frame in between.

A view acts when the loop looks an attribute up, or is put together from built-in iterators, so
that an exception raised by the real queue passes no code of ours.
"""

from __future__ import annotations

from workerstate.fingerprint import digest
from workerstate.observe import hook

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class QueueView:
    """A queue whose ``get``, whenever the loop looks it up, first calls ``before``."""

    def __init__(self, queue: Any, before: Callable[[], object]) -> None:
        self._queue = queue
        self._before = before

    @property
    def get(self) -> Any:
        """The real queue's ``get``."""
        hook.quietly(self._before)
        return self._queue.get

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queue, name)


def sequence(
    before: Callable[[], object], get: Callable[[], Any], after: Callable[[Any], object]
) -> Callable[[], Any]:
    """Give a function without frame: ``before()``, then ``item = get()``, then ``after(item)``.

    What ``after`` gives, if anything, takes the item's place.
    """
    never = object()

    def first() -> None:
        hook.quietly(before)

    def last(pair: tuple[None, Any]) -> Any:
        item = pair[1]
        replaced = hook.quietly(after, item)
        return item if replaced is None else replaced

    return map(last, zip(iter(first, never), iter(get, never), strict=False)).__next__


class Weight:
    """The size of the last message of a queue, and a mark of its content if it is large."""

    def __init__(self) -> None:
        self.size = 0
        self.mark: str | None = None

    def said(self, carrier: str | None) -> str:
        """Give the fields of a begin line for the message just received, once."""
        size, mark = self.size, self.mark
        self.mark = None
        return f',"bytes":{size},"mark":"{mark}","carrier":{hook.encode(carrier)}'


LARGE = 1 << 16


def weigh(owner: Any, attribute: str) -> Weight:
    """Note the size of each message that ``owner.attribute()`` receives, on that instance only."""
    weight = Weight()
    real = getattr(owner, attribute, None)
    if real is None:
        return weight

    def note(message: Any) -> Any:
        weight.size = len(message)
        if weight.size >= LARGE:
            # Two messages that carry the same object agree in their middle.
            middle = weight.size // 2
            weight.mark = digest(bytes(memoryview(message)[middle : middle + 4096]))
        return message

    # No frame of ours may stand above the real one, so the pair is made of built-in iterators.
    receive = map(note, iter(real, object())).__next__
    try:
        setattr(owner, attribute, receive)
    except (AttributeError, TypeError):
        pass
    return weight
