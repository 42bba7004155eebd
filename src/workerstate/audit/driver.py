"""Runs the program and the reference workers, and puts the findings together."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workerstate.audit import judge
from workerstate.audit.executed import Executed
from workerstate.audit.finding import Audit
from workerstate.audit.references import References, interpreter
from workerstate.guard import is_guarded
from workerstate.observe.folders import new_folder
from workerstate.observe.launch import observe
from workerstate.observe.submissions import VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Targets = Callable[[dict[str, Any]], list[str]]

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
    folder = new_folder(None)
    salt = os.urandom(8).hex()

    def choose(request: dict[str, Any]) -> list[str]:
        return _targets(request, targets)

    options = {"python": python, "flags": flags, "stdout": stdout, "stderr": stderr}
    with References(folder, interpreter(python), salt, choose) as references:
        code = _run(command, folder, salt, timeout, options)
    found = judge.findings(references.requests, choose, Executed(folder))
    tasks = list(dict.fromkeys(r["task"] for r in references.requests))
    notes = _notes(references, code, tasks, timeout)
    notes += dict.fromkeys(_of_journals(folder))
    asked = dict.fromkeys(t for r in references.requests if "again" not in r for t in choose(r))
    return Audit(
        tuple(found), tuple(notes), tuple(asked) or tuple(targets), tuple(tasks), code, folder
    )


def _run(
    command: list[str], folder: str, salt: str, timeout: float | None, options: dict[str, Any]
) -> int | None:
    """Run the program; give its exit code, None if it was stopped at the timeout."""
    env = {**os.environ, VARIABLE: "1"}
    try:
        run = observe(command, folder=folder, env=env, salt=salt, timeout=timeout, **options)
    except subprocess.TimeoutExpired:
        return None
    return run.exit_code


def _targets(request: dict[str, Any], given: Sequence[str]) -> list[str]:
    stack = request["stack"]
    main = request["main"]
    request["main_guarded"] = (
        stack["line"] is None
        or main["path"] is None
        or str(main["name"] or "").endswith("__main__")
        or is_guarded(stack["path"], stack["line"])
    )
    if given:
        return list(given)
    own = request["method"] if request["method"] in TARGETS else "fork"
    return [own, "forkserver"] if own == "fork" else [own]


def _of_journals(folder: str) -> Iterator[str]:
    """Give what the program's processes noted: what they did not follow, and faults of ours."""
    for path in sorted(Path(folder).glob("*.jsonl")):
        with path.open(errors="replace") as journal:
            for line in journal:
                if '"ev":"audit-note"' in line:
                    yield str(json.loads(line)["text"])
                elif '"ev":"fault"' in line:
                    error = json.loads(line)["error"]
                    yield f"something was not looked at, by a fault of workerstate's own: {error}"


def _notes(
    references: References, code: int | None, tasks: list[str], timeout: float | None
) -> list[str]:
    notes = list(references.notes)
    if code is None:
        notes.insert(0, f"the program had not ended after {timeout:g} s, and was stopped")
    elif code:
        notes.append(f"the program ended with exit code {code}; what came after is not known")
    if not tasks:
        notes.append("no task was seen: the program started no workers, or of a kind not followed")
    for request in references.requests:
        for note in request.get("reads", {}).get("notes", ()):
            if note not in notes:
                notes.append(note)
    return notes
