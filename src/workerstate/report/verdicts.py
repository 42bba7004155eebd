"""The table of a replay's verdicts, for somebody who has read nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workerstate.report import words

if TYPE_CHECKING:
    from rich.console import Console

STYLES = {"holds": "green", "differs": "yellow", "not-run": "red"}

INTRODUCTION = (
    "Each claim below was tried here, with a program that starts worker processes. Its root logger "
    "has one handler, and it imports two modules of its own, foo and bar. n_jobs is the number of "
    "workers that a call asks joblib for.\n"
    "holds: it is so here. differs: it is not, and why. not-run: it could not be judged."
)

ELSEWHERE = (
    "With another number of processors some answers differ: workerstate replay --cpus 8 shows them."
)


def render(document: dict[str, Any], console: Console, *, quiet: bool = False) -> None:
    """Write the table; ``quiet`` leaves out the introduction."""
    console.print(versions(document["environment"]), style="bold")
    if not quiet:
        console.print(INTRODUCTION)
    console.print()
    _table(document["claims"], console)
    console.print(totals(document["claims"]), style="bold")
    if not quiet and not document["environment"]["simulated_cpus"]:
        console.print(ELSEWHERE, style="dim")


def versions(environment: dict[str, Any]) -> str:
    """Say in one line what the experiments ran on."""
    parts = [f"Python {environment['python']}"]
    if environment["joblib"]:
        parts.append(f"joblib {environment['joblib']} (loky {environment['loky']})")
    simulated = environment["simulated_cpus"]
    if simulated:
        parts.append(f"{words.count(simulated, 'processor')} simulated, {environment['cpus']} real")
    else:
        parts.append(words.count(environment["cpus"], "processor"))
    parts.append(environment["platform"])
    return "workerstate replay: " + ", ".join(parts)


def totals(claims: list[dict[str, Any]]) -> str:
    """Count the verdicts."""
    numbers = dict.fromkeys(STYLES, 0)
    for claim in claims:
        numbers[claim["verdict"]] += 1
    shown = [f"{number} {verdict}" for verdict, number in numbers.items() if number]
    return f"{words.count(len(claims), 'claim')}: {', '.join(shown)}"


def _table(claims: list[dict[str, Any]], console: Console) -> None:
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("claim", ratio=4, header_style="dim")
    table.add_column("verdict", no_wrap=True, header_style="dim")
    table.add_column("what was seen", ratio=5, header_style="dim")
    experiment = None
    for claim in claims:
        if claim["experiment"] != experiment:
            if experiment is not None:
                table.add_row()
            experiment = claim["experiment"]
            table.add_row(Text(str(experiment), style="bold"))
        verdict = claim["verdict"]
        table.add_row(
            Padding(Text(claim["claim"]), (0, 0, 0, 2)),
            Text(verdict, style=STYLES[verdict]),
            Text(claim["reason"]),
        )
    console.print(table)
