"""Run a program unmodified and show what each of its worker processes started with.

The program's own output, exit code and signals stay as they are; the summary goes to stderr.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from workerstate import spec_checks
from workerstate.cli.output import (
    add_format,
    check_target,
    keep_wanted,
    read_project,
    show_findings,
    whole_number,
    write_json,
)
from workerstate.errors import UsageError, WorkerstateError
from workerstate.observe import declare, rerun
from workerstate.observe.document import document
from workerstate.observe.launch import observe
from workerstate.observe.rules import RULES, unknown_codes

if TYPE_CHECKING:
    from workerstate.project import Project


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``workerstate run``."""
    parser = subparsers.add_parser(
        "run",
        help="run a program and show what its workers started with",
        description=__doc__,
        usage="workerstate run [options] (script.py | -m module | -c code) [arguments]",
    )
    parser.add_argument("--json", metavar="FILE", help="write the document to FILE (- for stdout)")
    parser.add_argument("--output", metavar="DIR", help="keep the recording in DIR, a new folder")
    parser.add_argument(
        "--fail-on",
        metavar="CODES",
        help="exit 1 if there is a finding with one of these codes or prefixes (WS1,WS203)",
    )
    add_format(parser)
    parser.add_argument("-q", "--quiet", action="store_true", help="show only the findings")
    parser.add_argument(
        "--values", action="store_true", help="record short values, not only hashes"
    )
    _add_experiments(parser)
    parser.add_argument("--cpus", type=whole_number(1), metavar="N", help="simulate N processors")
    parser.add_argument("--python", metavar="PATH", help="the interpreter to run the program with")
    parser.add_argument("-m", dest="module", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("-c", dest="code", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("command", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)


def _add_experiments(parser: argparse.ArgumentParser) -> None:
    """Add what makes the program run otherwise than it would."""
    parser.add_argument(
        "--carry",
        metavar="NAMES",
        default="",
        help="give tasks this of the parent's state, as of their submit: "
        "logging,warnings,app:OPTIONS,app:*,all",
    )
    parser.add_argument(
        "--seed",
        type=whole_number(0),
        metavar="N",
        help="seed each task from N, the number of its call, and its index in that",
    )
    parser.add_argument(
        "--start",
        choices=("fork", "spawn", "forkserver"),
        help="the start method, where the program chooses none",
    )
    parser.add_argument(
        "--purity",
        action="store_true",
        help="afterwards, run up to 40 of its tasks again, up to three times each, in fresh "
        "workers, and tell which results depend on what their worker had run before; what these "
        "tasks do to files and services, they do again, and so does loading the main module",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the program; give its exit code, or 1 for a finding that ``--fail-on`` names."""
    codes = _codes(arguments.fail_on)
    command = _command(arguments)
    project = read_project()
    for target in filter(None, (arguments.json, arguments.output_file)):
        check_target(target)
    declared = None
    if arguments.carry or arguments.seed is not None or arguments.start:
        spec_checks.carry_names(arguments.carry.split(",") if arguments.carry else ())
        declared = declare.setting(arguments.carry, arguments.seed, arguments.start)
    flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    finished = observe(
        command,
        python=arguments.python,
        flags=flags,
        folder=arguments.output,
        cpus=arguments.cpus,
        values=arguments.values,
        declared=declared,
        sampled=arguments.purity,
    )
    try:
        if arguments.purity:
            rerun.run(
                finished.folder,
                command,
                python=arguments.python or sys.executable,
                flags=flags,
                values=arguments.values,
            )
        failing = _report(arguments, finished.folder, project, codes)
    except (WorkerstateError, OSError) as error:
        # The program has run: its result is what counts.
        print(f"workerstate: {error}", file=sys.stderr)
        failing = False
    except Exception:
        traceback.print_exc()
        print(f"workerstate: our own fault, with {finished.folder}", file=sys.stderr)
        failing = False
    return 1 if failing else finished.exit_code


def _report(arguments: argparse.Namespace, folder: str, project: Project, codes: list[str]) -> bool:
    """Show what was recorded; tell whether there is a finding that ``--fail-on`` names."""
    found = document(folder)
    keep_wanted(found, project)
    if arguments.json:
        write_json(found, arguments.json)
    if arguments.json != "-" or not arguments.quiet:
        show_findings(found, arguments)
    return any(finding["code"].startswith(tuple(codes)) for finding in found["findings"])


def _codes(text: str | None) -> list[str]:
    codes = [code.strip().upper() for code in (text or "").split(",") if code.strip()]
    unknown = unknown_codes(codes)
    if unknown:
        raise UsageError(
            f"--fail-on {', '.join(unknown)}: no rule has such a code. Known: {', '.join(RULES)}"
        )
    return codes


def _command(arguments: argparse.Namespace) -> list[str]:
    """Give what follows the interpreter, and refuse early what Python would refuse."""
    command: list[str] = arguments.command
    if command and command[0] == "--":
        command = command[1:]
    if not command:
        raise UsageError("run what? Give a script, -m module or -c code")
    if arguments.module or arguments.code:
        return ["-m" if arguments.module else "-c", *command]
    script = Path(command[0])
    if not script.exists():
        raise UsageError(f"no such script: {script}")
    return command
