"""What an audit found, for a person: each finding in a few lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workerstate.report import words
from workerstate.report.stated import local, split_place

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rich.console import Console

    from workerstate.audit.finding import Audit, Inherited

MOST_NOTES = 6


def render(
    audit: Audit, findings: Iterable[Inherited], rules: Mapping[str, Any], console: Console
) -> None:
    """Write the findings that are wanted, what was not looked into, and the totals."""
    kept = list(findings)
    for finding in kept:
        _finding(finding, rules, console)
    for note in audit.notes[:MOST_NOTES]:
        console.print(f"  note: {note}", style="dim")
    if len(audit.notes) > MOST_NOTES:
        console.print(f"  and {words.count(len(audit.notes) - MOST_NOTES, 'more note')}")
    _totals(audit, kept, console)


def _finding(finding: Inherited, rules: Mapping[str, Any], console: Console) -> None:
    rule = rules.get(finding.code)
    title = f"{finding.code} {rule.name if rule else finding.kind}"
    console.print(f"{title}: {finding.name}", style="bold yellow")
    console.print(f"  {finding.sentence or finding.kind}")
    places = [f"read {place(finding.where_read)}"] if finding.where_read else []
    places += [f"set {place(finding.where_set)}"] if finding.where_set else []
    if places:
        console.print(f"  {', '.join(places)}")
    for who, value in (("parent", finding.parent), ("worker", finding.worker)):
        if value is not None and value not in finding.sentence:
            console.print(f"  {who}: {words.shown(value)}")
    if finding.remedy:
        console.print(f"  remedy: {finding.remedy}", style="green")


def _totals(audit: Audit, kept: list[Inherited], console: Console) -> None:
    tasks = words.count(len(audit.tasks), "distinct task")
    under = " and ".join(audit.targets)
    ended = "was stopped" if audit.exit_code is None else f"exit {audit.exit_code}"
    said = f"{words.count(len(kept), 'finding')} in {tasks} under {under or 'no start method'}"
    console.print(f"workerstate: {said} ({ended})", style="bold")
    left_out = len(audit.findings) - len(kept)
    if left_out:
        console.print(f"  {words.count(left_out, 'more finding')} ignored, as asked for")
    if kept:
        console.print("  what a code means: workerstate rule CODE; to repair: audit --fix, --prove")


def place(where: str | None) -> str:
    """Say ``path:line`` as it is seen from the current folder."""
    path, line = split_place(where)
    return f"{local(path)}:{line}" if line else str(path)
