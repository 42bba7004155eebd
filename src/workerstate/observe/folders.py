"""The folders that hold recordings: one for each run, of which the newest stay."""

from __future__ import annotations

import json
import os
import secrets
import tempfile
import time
from pathlib import Path

from workerstate.errors import UsageError

KEPT_RUNS = 20


def new_folder(wanted: str | None) -> str:
    """Make the folder of a new recording, readable for its owner alone.

    Raises:
        UsageError: ``wanted`` can't be made, is not empty, or can't be written.
    """
    if wanted is not None:
        try:
            path = Path(wanted).absolute()
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if any(path.iterdir()):
                raise UsageError(f"{wanted} is not empty; give a new folder for the recording")
            (path / ".write").touch()
            (path / ".write").unlink()
        except OSError as error:
            raise UsageError(f"can't write a recording to {wanted}: {error.strerror}") from error
        return str(path)
    now = time.time_ns()
    moment = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now // 10**9))
    name = f"{moment}.{now // 1000 % 10**6:06d}Z-{secrets.token_hex(3)}"
    for root in recording_roots():
        try:
            root.mkdir(mode=0o700, exist_ok=True)
            (root / name).mkdir(mode=0o700)
            ignore = root / ".gitignore"
            if not ignore.exists():
                ignore.write_text("*\n")
        except OSError:
            continue
        _retire_old(root)
        return str(root / name)
    raise UsageError(
        "neither the current folder nor the temporary one can be written; "
        "give a folder for the recording with --output"
    )


def recording_roots() -> tuple[Path, ...]:
    """Give the folders that hold recordings, the one that is used first first."""
    user = str(os.getuid()) if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
    temporary = Path(tempfile.gettempdir()) / f"workerstate-{user}"
    try:
        return Path.cwd() / ".workerstate", temporary
    except OSError:  # the current folder has been deleted
        return (temporary,)


def _retire_old(root: Path) -> None:
    """Keep the newest recordings of a folder that is ours, and those that are being made."""
    import shutil

    runs = sorted(path for path in root.iterdir() if path.is_dir())
    for path in runs[:-KEPT_RUNS]:
        if not _is_running(path):
            shutil.rmtree(path, ignore_errors=True)


def _is_running(path: Path) -> bool:
    """Tell whether the program of a recording has not ended yet."""
    try:
        note = json.loads((path / "run.json").read_text())
        if "ended" in note:
            return False
        os.kill(note["pid"], 0)
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return True
