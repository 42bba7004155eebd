"""An explanation as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from workerstate.explaining.values import Explanation, Import, Part, Shipping
from workerstate.report.words import count, duration, size

MANY = 12
_WHEN = {"start": "at its start (spawn, forkserver)", "unpickle": "at unpickle", "call": "at call"}


def text(explanation: Explanation) -> str:
    """Give the whole explanation."""
    place = f"  ({explanation.defined})" if explanation.defined else ""
    lines = [f"{explanation.task}{place}"]
    for shipping in explanation.shippings:
        lines += ["", *_shipping(shipping)]
    return "\n".join(lines)


def _shipping(seen: Shipping) -> Iterator[str]:
    if seen.refusals:
        total = "can't be sent"
    elif seen.size is None:
        total = "size not known"
    else:
        total = f"{size(seen.size)} per task"
    yield f"{seen.backend} ({seen.pickler}): by {seen.by}, {total}"
    for refusal in seen.refusals:
        yield f"  can't be sent   {refusal.path}"
        yield f"                  {refusal.error}"
        yield f"                  remedy: {refusal.remedy}"
    yield from _parts(seen)
    yield from _imports(seen.imports)
    for sentence in seen.elsewhere:
        yield f"  elsewhere       {sentence}"
    for note in seen.notes:
        yield f"  note            {note}"


def _parts(seen: Shipping) -> Iterator[str]:
    for by in ("value", "reference"):
        parts = [part for part in seen.parts if part.by == by]
        if by == "value":
            parts = sorted(_telling(parts), key=lambda part: -part.size)
        for part in parts[:MANY]:
            weight = f", {size(part.size)}" if by == "value" else ""
            yield f"  by {by:12s} {part.path}: {part.what}{weight}"
        if len(parts) > MANY:
            yield f"                  and {len(parts) - MANY} more by {by}"


def _telling(parts: list[Part]) -> list[Part]:
    """Leave out what only holds another listed part that weighs nearly the same."""
    return [
        part
        for part in parts
        if " -> " not in part.path
        or not any(
            other.path.startswith(part.path + " -> ") and other.size >= 0.9 * part.size > 1024
            for other in parts
        )
    ]


def _imports(rows: tuple[Import, ...]) -> Iterator[str]:
    for row in rows:
        because = f", for {row.because}" if row.because else ""
        if row.error:
            cost = f"fails: {row.error}"
        else:
            cost = f"{duration(row.ms)}, {count(row.modules or 0, 'module')}"
        yield f"  imports         {row.module} {_WHEN[row.when]}{because}: {cost}"
