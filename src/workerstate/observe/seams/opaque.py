"""Workers whose loop is not looked into: their birth and death are seen, their tasks are not."""

from __future__ import annotations

from workerstate.observe import state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def enter(process: Any) -> None:
    """Write the state that the loop starts with."""
    state.record_birth()
