"""What a worker imports because of a task, and what that costs: tried in a fresh interpreter."""

from __future__ import annotations

import marshal
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from workerstate.explaining.picklers import Backend
from workerstate.explaining.values import Import, Refusal
from workerstate.values import Value

LIMIT_S = 60.0
# Set in the fresh interpreter: a main module that explains at its top is not explained again.
INSIDE = "WORKERSTATE_EXPLAINING"

_MOVE = (
    "define it at the top of a file that workers can import: outside the __main__ guard, and not "
    "in a notebook, in python -c or on stdin"
)


class Needs(Value):
    """What a worker looks up: names by (module, name) and modules needed later, with why."""

    names: dict[tuple[str, str], str]
    later: dict[str, str]
    main: dict[str, str] | None


class Cost(Value):
    """What the fresh interpreter found."""

    imports: tuple[Import, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    notes: tuple[str, ...] = ()


def try_out(backend: Backend, needs: Needs) -> Cost:
    """Import in a fresh interpreter what a worker would, and look up the names it would.

    The top level of those modules runs, as it does in a worker.
    """
    if INSIDE in os.environ:
        return Cost(notes=("imports are not measured: this is the interpreter that measures",))
    main = needs.main if backend.runs_main else None
    modules = _by_module(needs.names)
    rows, trouble = _ask(
        {
            "path": list(map(str, sys.path)),
            "argv": list(map(str, sys.argv)),
            "baseline": backend.baseline,
            "main": main,
            "modules": list(map(str, modules)),
            "names": [tuple(map(str, pair)) for pair in needs.names if _is_looked_up(pair)],
            "later": list(needs.later),
        },
        flags=backend.runs_main,
    )
    who = "a spawn or forkserver worker" if backend.runs_main else "a worker"
    return _read(rows, modules, needs, main, trouble, who)


def _by_module(names: dict[tuple[str, str], str]) -> dict[str, str]:
    """Give why each module is needed."""
    found: dict[str, str] = {}
    for (module, _), because in names.items():
        found.setdefault(module, because)
    return found


def _is_looked_up(pair: tuple[str, str]) -> bool:
    return bool(pair[1]) and pair[0] != "builtins"


def _ask(asked: dict[str, Any], *, flags: bool) -> tuple[list[Any], str | None]:
    """Give the rows that the fresh interpreter answered, and why they are not all."""
    # multiprocessing hands the interpreter's flags on, loky does not.
    given = subprocess._args_from_interpreter_flags() if flags else []  # type: ignore[attr-defined]
    process = subprocess.Popen(
        [sys.executable, *given, str(Path(__file__).with_name("fresh.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, INSIDE: "1"},
        start_new_session=True,
    )
    trouble = None
    try:
        out, _ = process.communicate(marshal.dumps(asked), timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        trouble = f"it had not ended after {LIMIT_S:.0f} s"
    finally:
        _end(process)
    if trouble is not None:
        out, _ = process.communicate()
    elif process.returncode:
        trouble = f"the interpreter ended with {process.returncode}"
    return _rows(out), trouble


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the interpreter, and what the imported modules started in it."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def _rows(data: bytes) -> list[Any]:
    import io

    file, rows = io.BytesIO(data), []
    while file.tell() < len(data):
        try:
            rows.append(marshal.load(file))
        except (EOFError, ValueError, TypeError):
            break
    return rows


def _read(
    rows: list[Any],
    modules: dict[str, str],
    needs: Needs,
    main: dict[str, str] | None,
    trouble: str | None,
    who: str,
) -> Cost:
    """Put what was answered beside what was asked."""
    asked: list[tuple[Any, str, str]] = [("start", "__main__", "")] if main else []
    asked += [("unpickle", *item) for item in modules.items()]
    names = [("name", f"{module}:{name}", because) for (module, name), because in
             needs.names.items() if _is_looked_up((module, name))]  # fmt: skip
    asked += [*names, *(("call", *item) for item in needs.later.items())]
    imports, refusals, notes = [], [], []
    for (when, name, because), row in zip(asked, rows, strict=False):
        if when != "name":
            imports.append(Import(name, when, because, *row))
        elif row is not None:
            refusals.append(Refusal(because, f"{who} has no {name} ({row})", _MOVE))
    if len(rows) < len(asked):
        when, name, because = asked[len(rows)]
        if when != "name":
            imports.append(Import(name, when, because, None, None, trouble))
        notes.append(f"imports were measured up to {name}: {trouble}")
    return Cost(tuple(imports), tuple(refusals), tuple(notes))
