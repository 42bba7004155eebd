"""The command line: one file per verb.

A verb's file has a docstring (its help), ``add_parser(subparsers)`` and ``run(arguments) -> int``.
Exit codes: 0 done, 1 findings (where asked for), 2 the command could not do its work; ``run``
gives the program's own.
"""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module

from workerstate import __version__
from workerstate.errors import WorkerstateError

VERBS = ("run", "show", "replay", "rule", "explain", "audit")


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
    _replace_closed_streams()
    arguments = build_parser().parse_args(argv)
    try:
        code = int(import_module(f"workerstate.cli.{arguments.verb}").run(arguments))
    except WorkerstateError as error:
        print(f"workerstate: {error}", file=sys.stderr)
        code = 2
    except BrokenPipeError:
        # Whoever read our output has gone; that is no fault of ours to tell anybody.
        code = 141
    except KeyboardInterrupt:
        code = 130
    _flush_streams()
    return code


def _replace_closed_streams() -> None:
    """Have a stdout and a stderr, though we may have been started without them."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115


def _flush_streams() -> None:
    """Write what is buffered; if nobody can take it, Python need not try again at its exit."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
