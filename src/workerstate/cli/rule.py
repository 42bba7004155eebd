"""Explain a finding: what its code means, how it is found, and what to do."""

from __future__ import annotations

import argparse

from workerstate.cli.output import all_rules
from workerstate.errors import UsageError, nearest


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``workerstate rule``."""
    parser = subparsers.add_parser("rule", help="explain a finding's code", description=__doc__)
    parser.add_argument("code", nargs="?", metavar="CODE", help="such as WS101; none lists all")


def run(arguments: argparse.Namespace) -> int:
    """Print the page of a rule, or the list of all."""
    rules = all_rules()
    if arguments.code is None:
        for known in rules.values():
            print(f"{known.code}  {known.name:32s} {known.summary}")
        return 0
    wanted = arguments.code.upper()
    rule = rules.get(wanted) or next((r for r in rules.values() if r.name == wanted.lower()), None)
    if rule is None:
        names = [known.name for known in rules.values()]
        near = nearest(wanted, list(rules)) or nearest(wanted.lower(), names)
        hint = f"did you mean {near}? " if near else ""
        raise UsageError(f"no rule is called {arguments.code!r}; {hint}See: workerstate rule")
    print(rule.page())
    return 0
