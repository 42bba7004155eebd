"""Run a program once and say what its tasks would miss, or wrongly share, in their workers.

The program runs as its author wrote it. What the code of each task can read is followed; a worker
started by the target's own method says what it would have of that. For machine-readable formats,
stdout has the findings alone, and what the program prints goes to stderr.

Exit code: 0 no findings, 1 findings, 2 the audit could not be made.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from workerstate.audit.driver import TARGETS, audit
from workerstate.errors import UsageError

if TYPE_CHECKING:
    from workerstate.audit.finding import Audit

FORMATS = ("text", "json", "github", "sarif")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``workerstate audit``."""
    parser = subparsers.add_parser(
        "audit",
        help="say what tasks would miss in workers of another start method",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="workerstate audit [options] (script.py | -m module | pytest) [arguments]",
    )
    parser.add_argument(
        "--target",
        choices=TARGETS,
        action="append",
        help="the start method to ask about (default: what the program uses, and forkserver if "
        "that is fork); may be given several times",
    )
    parser.add_argument(
        "--timeout", type=_seconds, metavar="S", help="stop the program after S seconds"
    )
    parser.add_argument("--output-format", choices=FORMATS, default="text")
    parser.add_argument("--python", metavar="PATH", help="the interpreter to run the program with")
    parser.add_argument("-m", dest="module", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("command", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)


def run(arguments: argparse.Namespace) -> int:
    """Audit the program and show the findings; 1 if there are any, else 0."""
    machine = arguments.output_format != "text"
    found = audit(
        _command(arguments),
        targets=arguments.target or (),
        timeout=arguments.timeout,
        python=arguments.python,
        flags=subprocess._args_from_interpreter_flags(),  # type: ignore[attr-defined]
        stdout=sys.stderr.fileno() if machine else None,
    )
    _show(found, arguments.output_format)
    return 1 if found.findings else 0


def _show(found: Audit, output_format: str) -> None:
    if output_format == "json":
        print(json.dumps([finding.row() for finding in found.findings], indent=1))
    else:
        for finding in found.findings:
            print(f"{finding.path or '-'}:{finding.line or 0}: {finding.code} {finding.sentence}")
    for note in found.notes:
        print(f"workerstate: note: {note}", file=sys.stderr)


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not number > 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return number


def _command(arguments: argparse.Namespace) -> list[str]:
    """Give what follows the interpreter, and refuse early what Python would refuse."""
    command: list[str] = arguments.command
    if command and command[0] == "--":
        command = command[1:]
    if not command:
        raise UsageError("audit what? Give a script, -m module or pytest")
    if arguments.module:
        return ["-m", *command]
    script = Path(command[0])
    if command[0] == "pytest" and not script.exists():
        return ["-m", *command]
    if not script.exists():
        raise UsageError(f"no such script: {script}")
    return command
