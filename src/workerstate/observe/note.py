"""What the launcher knows of a run, in the recording's ``run.json``."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from workerstate.observe import hook

_ROOM = 4000  # characters that it takes at least


class Note:
    """A note that is written anew each time that more is known.

    Args:
        place: the folder of the recording.
        command: what was given to the interpreter.
        python: the interpreter.
        cpus: how many processors the program is made to believe in, or None.
    """

    def __init__(self, place: str, *, command: list[str], python: str, cpus: int | None) -> None:
        self._path = Path(place, "run.json")
        self._known: dict[str, Any] = {
            "schema": hook.SCHEMA,
            "command": command,
            "python": python,
            "started": time.time_ns(),
            "cpus": cpus or os.cpu_count(),
            "simulated_cpus": cpus,
            "pid": None,
        }
        self.update()

    def update(self, **more: Any) -> None:
        """Write the note with what is known now; a full disk must not cost the program's result."""
        self._known.update(more)
        temporary = self._path.with_suffix(".json.new")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        try:
            with open(os.open(temporary, flags, 0o600), "w") as file:
                file.write(json.dumps(self._known).ljust(_ROOM))
            temporary.replace(self._path)
        except OSError:
            self._write_in_place()

    def _write_in_place(self) -> None:
        """Use the room that the first note took, on a disk that is full."""
        text = json.dumps({**self._known, "memory": {}}).ljust(_ROOM).encode()
        try:
            self._path.with_suffix(".json.new").unlink(missing_ok=True)
            with open(self._path, "r+b") as file:
                if len(text) <= os.fstat(file.fileno()).st_size:
                    file.write(text)
        except OSError:
            pass
