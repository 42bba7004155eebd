"""``pytest --workerstate-audit``: the test run, observed, and what its tasks would miss.

A process that runs can't be put under the observer, so this one starts pytest once more, with the
same arguments, under ``audit``. It has the terminal; when it has ended, the findings follow.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from workerstate.audit.driver import audit
from workerstate.audit.rules import RULES
from workerstate.project import read
from workerstate.report import audited
from workerstate.report.stated import split_place
from workerstate.wanted import is_wanted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workerstate.audit.finding import Inherited
    from workerstate.project import Project

INSIDE = "--workerstate-audited"


def run(arguments: Sequence[str], targets: Sequence[str], writer: Any) -> int:
    """Run pytest with ``arguments`` and show the findings; give the exit code.

    That is pytest's own, or 1 if it is 0 and there is a finding.

    Args:
        arguments: pytest's, as they were given.
        targets: the start methods to ask about; none: see ``workerstate audit``.
        writer: pytest's terminal writer.
    """
    project = read()
    writer.flush()
    found = audit(
        [*_command(), *arguments, INSIDE],
        targets=targets or ((project.target,) if project.target else ()),
        timeout=project.timeout,
        flags=subprocess._args_from_interpreter_flags(),  # type: ignore[attr-defined]
    )
    kept = [finding for finding in found.findings if _is_wanted(finding, project)]
    writer.sep("=", "workerstate audit")
    writer.flush()
    audited.render(found, kept, RULES, _screen())
    return found.exit_code or (1 if kept or found.exit_code is None else 0)


def _command() -> list[str]:
    """Give what starts pytest as it was started: a module puts the folder on the import path."""
    started = sys.argv[0] if sys.argv else ""
    if os.path.basename(started) in ("pytest", "py.test") and os.path.isfile(started):
        return [started]
    return ["-m", "pytest"]


def _is_wanted(finding: Inherited, project: Project) -> bool:
    places = [split_place(finding.where_set), split_place(finding.where_read)]
    return is_wanted(project, finding.code, finding.name, places)


def _screen() -> Any:
    from rich.console import Console

    wide = None if sys.stdout.isatty() else 100
    return Console(width=wide, highlight=False, markup=False, emoji=False)
