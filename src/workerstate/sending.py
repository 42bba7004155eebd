"""How what a worker logs and prints goes to the parent, as far as that is declared."""

from __future__ import annotations

import sys

from workerstate.program import share_main_loggers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from workerstate.workerside import Birth


def send_records(birth: Birth) -> None:
    """Send log records, and what is printed; again, where there may be handlers since."""
    if birth.records is None:
        return
    if birth.logs:
        share_main_loggers()
        from workerstate.records import sender

        sender.install(birth.records, on_full=birth.on_full)  # type: ignore[arg-type]
        if birth.level is not None and "loguru" in sys.modules:
            from workerstate.records import loguru_bridge

            loguru_bridge.install(level=birth.level)
    send_prints(birth)


def send_prints(birth: Birth) -> None:
    """Have what this process prints go to the parent in a pipe of its own, if that is declared."""
    if birth.stdio and birth.records is not None:
        from workerstate.records import stdio

        stdio.install(birth.records)
