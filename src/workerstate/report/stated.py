"""What the formats for other programs have in common: a finding as a rule, a message and places."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from workerstate.values import Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from workerstate.audit.finding import Inherited


class Stated(Value):
    """One finding, ready to be written.

    Fields:
        code: ``WS101``.
        rule: its readable form.
        message: what is wrong, in a sentence.
        path: the file that it speaks of, relative to the current folder if it is below; or None.
        line: from 1, or None.
        remedy: what to do; may be empty.
        also: further places: what is there, path, line.
    """

    code: str
    rule: str
    message: str
    path: str | None
    line: int | None
    remedy: str
    also: tuple[tuple[str, str, int | None], ...] = ()


def of_run(findings: Iterable[dict[str, Any]]) -> list[Stated]:
    """State the findings of a recording's document."""
    return [
        Stated(row["code"], row["name"], row["sentence"], local(row["path"]), row["line"], remedy)
        for row in findings
        for remedy in [row["remedy"]]
    ]


def of_audit(findings: Iterable[Inherited], rules: Mapping[str, Any]) -> list[Stated]:
    """State what an audit found: at the line that reads it, with the line that sets it."""
    stated = []
    for found in findings:
        rule = rules.get(found.code)
        name = rule.name if rule else found.kind
        message = found.sentence or f"{found.name}: {found.kind}"
        set_at, line_set = split_place(found.where_set)
        path, line = split_place(found.where_read or found.where_set)
        also: tuple[tuple[str, str, int | None], ...] = ()
        if set_at is not None and (set_at, line_set) != (path, line):
            also = (("set here", set_at, line_set),)
        stated.append(Stated(found.code, name, message, path, line, found.remedy, also))
    return stated


def split_place(place: str | None) -> tuple[str | None, int | None]:
    """Take ``path:line`` apart; the line may be missing."""
    if not place:
        return None, None
    path, colon, line = place.rpartition(":")
    return (local(path), int(line)) if colon and line.isdecimal() else (local(place), None)


def local(path: str | None) -> str | None:
    """Give a path as it is seen from the current folder, absolute if it is not below that."""
    if path is None:
        return None
    try:
        near = os.path.relpath(path)
    except (OSError, ValueError):  # the folder is gone; another drive
        return path
    return os.path.abspath(path) if near.split(os.sep, 1)[0] == os.pardir else near
