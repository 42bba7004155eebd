"""What a declaration on trial has shown, for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from workerstate.audit.prove import Proof, Ran

_STYLES = {"proven": "green", "still different": "red"}
_MOST_LINES = 3


def render(proof: Proof, console: Console) -> None:
    """Write the two runs side by side, and what came of each finding."""
    runs = (proof.before, proof.after)
    methods = sorted({method for ran in runs if ran for method in ran.methods} - {proof.target})
    but = f" (workers were started by {' and '.join(methods)})" if methods else ""
    console.print(f"under {proof.target}{but}", style="bold")
    if proof.before is None or proof.after is None:
        console.print("  nothing to declare, so the program was not run again")
    else:
        _run("without the declaration", proof.before, proof.after, console)
        _run("with it", proof.after, proof.before, console)
    for row in proof.verdicts:
        title = f"  {row.verdict:17}  {row.finding.code} {row.finding.name}"
        console.print(title, style=_STYLES.get(row.verdict, "yellow"))
        console.print(f"    {row.text}")


def _run(title: str, ran: Ran, other: Ran, console: Console) -> None:
    """Say how a run ended, and what it printed that the other one did not."""
    ended = "did not end" if ran.exit_code is None else f"exit {ran.exit_code}"
    if not ran.workers:
        ended += ", no worker seen"
    console.print(f"  {title}: {ended}")
    own = [line for line in ran.stdout if line not in other.stdout]
    if ran.exit_code and ran.stderr:
        own.append(ran.stderr[-1])
    for line in own[-_MOST_LINES:]:
        console.print(f"    | {line}")
    if not own and ran.stdout:
        console.print(f"    | {ran.stdout[-1]}", style="dim")
