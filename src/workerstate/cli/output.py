"""What the verbs share: where a document goes, and how it is shown."""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import TYPE_CHECKING, Any

from workerstate import __version__, project
from workerstate.audit.rules import RULES
from workerstate.errors import UsageError
from workerstate.report import github, sarif
from workerstate.report.stated import of_run
from workerstate.wanted import check_codes, is_wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import Console

    from workerstate.project import Project
    from workerstate.report.stated import Stated

FORMATS = ("text", "json", "github", "sarif")


def whole_number(least: int) -> Callable[[str], int]:
    """Give what argparse needs to read a whole number of at least ``least``."""

    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} on")
        return int(text)

    return read


def check_target(target: str) -> None:
    """Refuse a file that ``write_json`` could not write, before a program runs for it.

    Raises:
        UsageError: the file can't be written.
    """
    if target != "-":
        try:
            os.close(os.open(target, os.O_WRONLY | os.O_CREAT, 0o600))
        except OSError as error:
            raise UsageError(f"can't write {target}: {error.strerror}") from error


def write_json(document: object, target: str) -> None:
    """Write a document to a file, or to stdout for ``-``.

    Raises:
        UsageError: the file can't be written.
    """
    write_text(json.dumps(document, indent=1, ensure_ascii=True) + "\n", target)


def write_text(text: str, target: str) -> None:
    """Write to a file, or to stdout for ``-``.

    Raises:
        UsageError: the file can't be written.
    """
    if target == "-":
        print(text, end="")
        return
    try:
        # A recording may name what is private: for its owner only.
        number = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(number, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(f"can't write {target}: {error.strerror}") from error


def add_format(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how findings are given, and where."""
    parser.add_argument(
        "--output-format",
        choices=FORMATS,
        default="text",
        help="how findings are given: for a reader, as a JSON list, as annotations on GitHub, "
        "as SARIF for code scanning",
    )
    parser.add_argument(
        "--output-file", metavar="FILE", default="-", help="where, unless as text (default: stdout)"
    )


def write_findings(
    findings: Sequence[Stated], rows: Sequence[object], output_format: str, target: str
) -> None:
    """Write findings in a format for other programs; ``rows`` are what JSON says of them.

    Raises:
        UsageError: the file can't be written.
    """
    if output_format == "json":
        write_json(rows, target)
    elif output_format == "github":
        write_text(github.render(findings), target)
    else:
        write_text(sarif.render(findings, all_rules(), version=__version__), target)


def keep_wanted(document: dict[str, Any], choices: Project) -> None:
    """Leave out of a document the findings that the project does not want; say how many."""
    every = document["findings"]
    kept = [
        row for row in every if is_wanted(choices, row["code"], None, [(row["path"], row["line"])])
    ]
    document["findings"] = kept
    if len(kept) < len(every):
        document["ignored"] = len(every) - len(kept)


def all_rules() -> dict[str, Any]:
    """Give every rule by its code: those of runs and those of audits."""
    return dict(sorted(RULES.items()))


def read_project() -> Project:
    """Give what the project that the current folder belongs to has decided.

    Raises:
        UsageError: its table has a mistake.
    """
    found = project.read()
    for key in ("select", "ignore"):
        check_codes(f"{found.path}: [tool.workerstate] {key}", getattr(found, key), all_rules())
    return found


def console(*, stderr: bool = True) -> Console:
    """Give a terminal on stderr or stdout; rich obeys NO_COLOR, FORCE_COLOR and TERM=dumb."""
    from rich.console import Console

    class Screen(Console):
        def on_broken_pipe(self) -> None:
            raise  # rich itself would end the process, and redirect our stdout

    wide = None if (sys.stderr if stderr else sys.stdout).isatty() else 100
    # What is shown are names of the program's: nothing in them is meant for rich.
    return Screen(stderr=stderr, width=wide, highlight=False, markup=False, emoji=False)


def show_findings(document: dict[str, Any], arguments: argparse.Namespace) -> None:
    """Show a recording as the options say: the summary, or its findings for other programs."""
    if arguments.output_format == "text":
        show_document(document, quiet=arguments.quiet)
        return
    rows = document["findings"]
    write_findings(of_run(rows), rows, arguments.output_format, arguments.output_file)


def show_document(document: dict[str, Any], *, quiet: bool = False) -> None:
    """Show the summary of a document on stderr."""
    from workerstate.report import terminal

    try:
        terminal.render(document, console(), quiet=quiet)
    except OSError:
        pass  # the program closed or filled our stderr; its result is what counts
