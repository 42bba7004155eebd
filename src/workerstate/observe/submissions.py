"""Who is told of what is submitted, launched and run: the audit, where there is one."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any, Protocol

    class Listener(Protocol):
        """What an audit does in the program's processes."""

        def submitted(self, pool: int, call: int, task: Any, owner: Any, frame: Any) -> None:
            """See a task submitted: (function, arguments, named arguments), to whom."""

        def launching(self, process: Any, method: str, frame: FrameType) -> None:
            """See a process about to be started."""

        def began(self, label: str) -> None:
            """See a task begin, in its worker."""

        def ended(self, ok: bool) -> None:
            """See it end."""


VARIABLE = "WORKERSTATE_AUDIT"

listener: Listener | None = None


def load() -> None:
    """Have the audit listen, if this run is for one."""
    global listener
    if VARIABLE in os.environ and listener is None:
        listener = __import__("workerstate.audit.inside", fromlist=["Inside"]).Inside()
