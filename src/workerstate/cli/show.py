"""Show a recording again: ``last``, or the folder of one."""

from __future__ import annotations

import argparse

from workerstate.cli.output import (
    add_format,
    check_target,
    keep_wanted,
    read_project,
    show_findings,
    write_json,
)
from workerstate.observe.document import document
from workerstate.observe.reading import last_recording


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``workerstate show``."""
    parser = subparsers.add_parser("show", help="show a recording again", description=__doc__)
    parser.add_argument("recording", nargs="?", default="last", metavar="last|DIR")
    parser.add_argument("--json", metavar="FILE", help="write the document to FILE (- for stdout)")
    add_format(parser)
    parser.add_argument("-q", "--quiet", action="store_true", help="show only the findings")


def run(arguments: argparse.Namespace) -> int:
    """Show the recording."""
    wanted = arguments.recording
    project = read_project()
    check_target(arguments.output_file)
    found = document(last_recording() if wanted == "last" else wanted)
    keep_wanted(found, project)
    if arguments.json:
        write_json(found, arguments.json)
    else:
        show_findings(found, arguments)
    return 0
