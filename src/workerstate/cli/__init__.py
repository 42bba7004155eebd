"""The command line: one file per verb.

A verb's file has a docstring (its help), ``add_parser(subparsers)`` and ``run(arguments) -> int``.
Exit codes: 0 done, 1 findings (where asked for), 2 the command could not do its work; ``run``
gives the program's own.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module

from workerstate import __version__
from workerstate.errors import WorkerstateError

VERBS = ("run", "show", "replay", "rule")


def build_parser() -> argparse.ArgumentParser:
    """Make the parser of all verbs."""
    parser = argparse.ArgumentParser(
        prog="workerstate",
        description="Know what your workers start with.",
        epilog="workerstate VERB --help tells more of each.",
    )
    parser.add_argument("--version", action="version", version=f"workerstate {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb in VERBS:
        import_module(f"workerstate.cli.{verb}").add_parser(verbs)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one verb; give the exit code."""
    arguments = build_parser().parse_args(argv)
    try:
        return int(import_module(f"workerstate.cli.{arguments.verb}").run(arguments))
    except WorkerstateError as error:
        print(f"workerstate: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # Whoever read our output has gone; that is no fault of ours to tell anybody.
        sys.stderr.close()
        return 141
    except KeyboardInterrupt:
        return 130
