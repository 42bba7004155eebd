"""Run a program once and say what its tasks would miss, or wrongly share, in their workers.

The program runs as its author wrote it. What the code of each task can read is followed; a worker
started by the target's own method says what it would have of that. Stdout has the report alone:
what the program prints goes to stderr.

--fix prints the declaration that answers the findings. --prove runs the program twice more for each
target, without and with that declaration, and says what its workers had; its files stay as they
are.

Exit code: 0 no findings, 1 findings, 2 the audit could not be made.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workerstate.audit.driver import TARGETS, audit
from workerstate.audit.remedy import worded
from workerstate.cli.output import (
    add_format,
    all_rules,
    check_target,
    console,
    read_project,
    write_findings,
)
from workerstate.cli.repair import Repair
from workerstate.errors import UsageError
from workerstate.report import audited, proved
from workerstate.report.stated import of_audit, split_place
from workerstate.wanted import is_wanted

if TYPE_CHECKING:
    from workerstate.audit.finding import Audit, Inherited
    from workerstate.audit.prove import Proof
    from workerstate.project import Project


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
    add_format(parser)
    parser.add_argument(
        "--fix", action="store_true", help="print the declaration that answers the findings"
    )
    parser.add_argument(
        "--prove", action="store_true", help="run the program with that declaration, and compare"
    )
    parser.add_argument("--python", metavar="PATH", help="the interpreter to run the program with")
    parser.add_argument("-m", dest="module", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("command", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)


def run(arguments: argparse.Namespace) -> int:
    """Audit the program and show the findings; 1 if there are any, else 0."""
    project = read_project()
    if arguments.output_file != "-":
        check_target(arguments.output_file)
    command = _command(arguments)
    options: dict[str, Any] = {
        "python": arguments.python,
        "flags": subprocess._args_from_interpreter_flags(),  # type: ignore[attr-defined]
    }
    found = audit(
        command,
        targets=arguments.target or ((project.target,) if project.target else ()),
        timeout=arguments.timeout or project.timeout,
        stdout=sys.stderr.fileno(),
        **options,
    )
    kept = [worded(finding) for finding in found.findings if _is_wanted(finding, project)]
    repair = Repair(found, kept, command, arguments.timeout or project.timeout, options)
    proofs = list(repair.proofs()) if arguments.prove else []
    _show(found, kept, proofs, arguments)
    # For other programs, stdout has the findings alone.
    screen = console(stderr=arguments.output_format != "text")
    if arguments.fix:
        print(repair.code(), end="", file=screen.file)
    for proof in proofs:
        proved.render(proof, screen)
    return 1 if kept else 0


def _is_wanted(finding: Inherited, project: Project) -> bool:
    places = [split_place(finding.where_set), split_place(finding.where_read)]
    return is_wanted(project, finding.code, finding.name, places)


def _show(
    found: Audit, kept: list[Inherited], proofs: list[Proof], arguments: argparse.Namespace
) -> None:
    """Give the findings as the options say, and on stderr what was not looked into."""
    if arguments.output_format == "text":
        audited.render(found, kept, all_rules(), console(stderr=False))
        return
    stated = of_audit(kept, all_rules())
    rows = [{**finding.row(), **_proof_of(finding, proofs)} for finding in kept]
    write_findings(stated, rows, arguments.output_format, arguments.output_file)
    for note in found.notes:
        print(f"workerstate: note: {note}", file=sys.stderr)


def _proof_of(finding: Inherited, proofs: list[Proof]) -> dict[str, Any]:
    """Give what was shown of a finding, if that was asked for."""
    rows = [
        {"target": proof.target, "verdict": row.verdict, "text": row.text}
        for proof in proofs
        for row in proof.verdicts
        if row.finding is finding
    ]
    return {"proof": rows} if proofs else {}


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
