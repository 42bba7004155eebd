"""Run the experiments this project began with, here, and say of each claim whether it holds.

Small programs with multiprocessing (spawn, fork, forkserver) and joblib are run under
observation; each claim about their workers is judged by what was recorded. It takes well under a
minute. Exit code 0: every claim could be judged, whatever the verdict; 2: not every one could.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from workerstate.cli.output import console, whole_number, write_json
from workerstate.lab import environments
from workerstate.lab.replay import Progress, replay, result
from workerstate.report import verdicts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from workerstate.lab.claims import Claim
    from workerstate.lab.environments import Environment


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``workerstate replay``."""
    parser = subparsers.add_parser(
        "replay",
        help="try the claims this project began with, here",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--cpus", type=whole_number(1), metavar="N", help="simulate N processors")
    parser.add_argument(
        "--joblib",
        metavar="VERSION",
        help="use this version of joblib, in an environment made for it and kept for next time",
    )
    parser.add_argument("--json", metavar="FILE", help="write the claims to FILE (- for stdout)")
    parser.add_argument("-q", "--quiet", action="store_true", help="show only the verdicts")


def run(arguments: argparse.Namespace) -> int:
    """Run the experiments and show the verdicts; 0 if every claim could be judged, else 2."""
    environment = _environment(arguments.joblib, quiet=arguments.quiet)
    claims: list[Claim] = []
    steps = replay(environment, cpus=arguments.cpus)
    for step in steps if arguments.quiet else _shown(steps):
        claims.extend(step.claims)
    document = result(environment, claims, cpus=arguments.cpus)
    if arguments.json:
        write_json(document, arguments.json)
    target = console() if arguments.json == "-" else _stdout()
    verdicts.render(document, target, quiet=arguments.quiet)
    return 2 if any(claim.verdict == "not-run" for claim in claims) else 0


def _environment(version: str | None, *, quiet: bool) -> Environment:
    if version is None:
        return environments.current()
    if not quiet:
        print(f"workerstate: an environment with joblib {version} ...", file=sys.stderr)
    return environments.with_joblib(version)


def _stdout() -> Console:
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 100, highlight=False)


def _shown(steps: Iterator[Progress]) -> Iterator[Progress]:
    """Show the progress on stderr: a bar on a terminal, a line for each experiment elsewhere."""
    if console().is_terminal and sys.stderr.isatty():
        yield from _bar(steps)
        return
    for step in steps:
        if not step.claims:
            print(f"workerstate: {step.done + 1}/{step.total} {step.title}", file=sys.stderr)
        yield step


def _bar(steps: Iterator[Progress]) -> Iterator[Progress]:
    from rich import progress

    columns = (
        progress.SpinnerColumn(),
        progress.BarColumn(bar_width=30),
        progress.TimeElapsedColumn(),
        progress.TextColumn("{task.description}"),
    )
    with progress.Progress(*columns, console=console(), transient=True) as bar:
        running = bar.add_task("", total=None)
        for step in steps:
            bar.update(running, completed=step.done, total=step.total, description=step.title)
            yield step
