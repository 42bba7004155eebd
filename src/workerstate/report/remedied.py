"""The declaration that answers an audit's findings, as Python code with the rest in comments."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from workerstate.report.stated import local

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workerstate.audit.finding import Inherited
    from workerstate.audit.placing import Place
    from workerstate.audit.remedy import Remedy

_WIDTH = 88


def render(remedy: Remedy, places: Sequence[Place], main: str) -> str:
    """Give the code, where to use it, and what no declaration answers; ``main`` is the program."""
    parts = []
    if remedy.declares:
        where = local(places[0].path) if places else main
        parts.append(_comment(f"{_answered(remedy)}. In {where}, at the top level:"))
        parts.append(remedy.code())
        parts += [_use(place) for place in places] or [_general()]
    if any(finding.code == "WS501" for finding, _ in remedy.anew):
        parts.append(_comment(_HALF))
    if remedy.beyond:
        parts.append(_comment("No declaration answers:"))
        parts += [_comment(f"  {_title(finding)}: {why}", "    ") for finding, why in remedy.beyond]
    return "".join(f"{part.rstrip()}\n" for part in parts)


_HALF = (
    "A lock that was held at the fork may have left half changed what it protects. Workers that "
    "are not forked (spawn, forkserver) don't have that problem at all."
)


def _answered(remedy: Remedy) -> str:
    found = [f for f, _ in (*remedy.carry, *remedy.preload, *remedy.anew)] + [*remedy.seeded]
    return "Answers " + ", ".join(dict.fromkeys(map(_title, found)))


def _title(finding: Inherited) -> str:
    return f"{finding.code} {finding.name}"


def _use(place: Place) -> str:
    lines = [f"\n# {local(place.path)}:{place.line}: {place.before}"]
    if place.after:
        lines.append(f"#   becomes: {place.after}")
    if place.note:
        lines.append(_comment(f"  {place.note}", "  ").rstrip())
    return "\n".join(lines)


def _general() -> str:
    return "\n" + _comment(
        "Where the workers are made: initializer=spec for a pool or executor, "
        "spec.multiprocessing() in place of a context, with spec.joblib(): around joblib.Parallel."
    )


def _comment(text: str, indent: str = "") -> str:
    lines = textwrap.wrap(text, _WIDTH, subsequent_indent=indent, break_long_words=False)
    return "".join(f"# {line}\n" for line in lines)
