"""Runs the program and the reference workers, and puts the findings together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workerstate.audit.finding import Audit
from workerstate.observe.launch import observe

if TYPE_CHECKING:
    from collections.abc import Sequence

TARGETS = ("fork", "spawn", "forkserver", "loky")


def audit(
    command: list[str],
    *,
    targets: Sequence[str] = (),
    timeout: float | None = None,
    python: str | None = None,
    flags: list[str] | None = None,
    stdout: Any = None,
    stderr: Any = None,
) -> Audit:
    """Run ``python *flags *command`` once and tell what its tasks would miss or wrongly share.

    Args:
        command: what follows the interpreter: ``["script.py", "arg"]`` or ``["-m", "module"]``.
        targets: the start methods that are asked about; by default those that the program uses
            and, if fork is one of them, forkserver, which is the default since Python 3.14.
        timeout: seconds after which the program is stopped; what was seen until then is told.
        python: the interpreter; this one by default.
        flags: interpreter options that go before the command.
        stdout: as in subprocess.
        stderr: as in subprocess.

    Raises:
        UsageError: the interpreter can't be used.
    """
    done = observe(command, python=python, flags=flags, stdout=stdout, stderr=stderr)
    return Audit((), (), tuple(targets), (), done.exit_code, done.folder)
