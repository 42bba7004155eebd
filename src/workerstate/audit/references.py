"""Starts a reference worker for each request that the program makes, while it runs.

Outside the program's process tree, since a program may count its children; and at once, since what
a worker would import may be gone when the program ends.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workerstate.observe import hook
from workerstate.observe.launch import SHIM
from workerstate.observe.submissions import VARIABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workerstate.audit.driver import Targets

ROOT = str(Path(__file__).resolve().parents[2])
PATIENCE = 90.0  # seconds for the reference workers of one task
MOST_SECONDS = 240.0  # for all, after the program's end
_CODE = (
    "import sys; sys.path.insert(0, {root!r}); from workerstate.audit import standin; "
    "sys.path.remove({root!r}); sys.path.append({root!r}); "
    "standin.main({path!r}, {targets!r}, {main!r})"
)


class References:
    """Waits for requests in a folder and has each answered, one after the other."""

    def __init__(self, folder: str, python: str, salt: str, choose: Targets) -> None:
        self._folder = Path(folder)
        self._python = python
        self._salt = salt
        self._choose = choose
        self._over = threading.Event()
        self._deadline: float | None = None
        self._thread = threading.Thread(target=self._serve, name="references", daemon=True)
        self.requests: list[dict[str, Any]] = []
        self.notes: list[str] = []

    def __enter__(self) -> References:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._deadline = time.monotonic() + MOST_SECONDS
        self._over.set()
        self._thread.join()
        for path in self._folder.glob("audit-*"):
            path.unlink(missing_ok=True)  # they hold values of the program's

    def _serve(self) -> None:
        while True:
            over = self._over.is_set()
            for path in sorted(self._folder.glob("audit-*.request")):
                if self._deadline is not None and time.monotonic() > self._deadline:
                    self.notes.append("there was no time for a reference worker for every task")
                    return
                self._handle(path)
            if over:
                return
            self._over.wait(0.05)

    def _handle(self, path: Path) -> None:
        request = json.loads(path.read_text())
        path.unlink()
        self.requests.append(request)
        if "again" in request:
            return
        request["pid"] = int(path.name.split("-")[1])
        environ, request["environ"] = request["environ"], None
        request["answers"] = {}
        targets = [t for t in self._choose(request) if t != "fork"]
        request["salt"] = self._salt
        if not targets:
            return
        body = path.with_suffix(".json")
        with open(os.open(body, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            json.dump(request, file)
        self._ask(request, body, targets, environ, with_main=request["main_guarded"])

    def _ask(
        self, request: dict[str, Any], body: Path, targets: Sequence[str],
        environ: dict[str, str], *, with_main: bool,
    ) -> None:  # fmt: skip
        said = self._stand_in(request, body, targets, environ, with_main=with_main)
        missing = []
        for target in targets:
            answers = []
            for number in range(2):
                try:
                    answers.append(json.loads(Path(f"{body}.{target}.{number}").read_text()))
                except (OSError, ValueError):
                    continue
            if answers:
                request["answers"][target] = answers
            else:
                missing.append(target)
        request["with_main"] = with_main
        if missing and with_main and "did not end" not in said:
            # A worker that imports the main module does not get further than that.
            request["main_failed"] = said
            self._ask(request, body, missing, environ, with_main=False)
        elif missing:
            self.notes.append(
                f"no {', '.join(missing)} worker could be started to compare with: {said}"
            )

    def _stand_in(
        self, request: dict[str, Any], body: Path, targets: Sequence[str],
        environ: dict[str, str], *, with_main: bool,
    ) -> str:  # fmt: skip
        """Run a stand-in for the parent; give the last line that it or a worker wrote."""
        code = _CODE.format(root=ROOT, path=str(body), targets=list(targets), main=with_main)
        errors = body.with_suffix(".stderr")
        with open(os.open(errors, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stderr:
            try:
                subprocess.run(
                    [self._python, *request["flags"], "-c", code],
                    env=_environment(environ),
                    cwd=request["cwd"],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=stderr,
                    timeout=PATIENCE,
                    check=False,
                    start_new_session=True,
                )
            except subprocess.TimeoutExpired:
                return f"its imports did not end in {PATIENCE:.0f} s"
            except OSError as error:
                return str(error)
        lines = errors.read_text(errors="replace").strip().splitlines()
        return _telling(lines)


def _telling(lines: list[str]) -> str:
    """Give the line of a traceback that says what was raised."""
    for line in reversed(lines):
        name = line.partition(":")[0]
        if name[:1].isalpha() and " " not in name and name.endswith(("Error", "Exception", "Exit")):
            return line[:200]
    return lines[-1][:200] if lines else "it wrote no message"


def _environment(environ: dict[str, str]) -> dict[str, str]:
    """Give the program's environment without what makes it observed."""
    found = {k: v for k, v in environ.items() if k not in (hook.VARIABLE, VARIABLE)}
    entries = found.pop("PYTHONPATH", "").split(os.pathsep)
    kept = [entry for entry in entries if entry and entry != str(SHIM)]
    if ROOT not in kept:
        kept.append(ROOT)
    return {**found, "PYTHONPATH": os.pathsep.join(kept)}


def interpreter(python: str | None) -> str:
    """Give the interpreter that the program runs with."""
    return python or sys.executable
