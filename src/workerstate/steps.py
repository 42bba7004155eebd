"""What a worker tells about its start: one report, written anew before each step."""

from __future__ import annotations

import os
import time

from workerstate import start_reports
from workerstate.start_reports import ENDED, STARTED, STARTING, STOPPED, StartReport

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from workerstate.workerside import Here

MOST_ATTEMPTS = 3  # workers in a row that die while starting; the next one refuses


class Steps:
    """What the parent is told about the start of this worker."""

    def __init__(self, here: Here, place: str) -> None:
        self.here = here
        self.place = place
        self.step = ""
        self.began = time.time()
        self.attempt = 1
        self.ordinal = 0
        self.died: tuple[int, str] | None = None
        self._silent = not os.path.isdir(place)

    def check_predecessors(self) -> None:
        """Look how the last worker of this number ended; refuse where start after start was fatal.

        It held the number's lock until it ended, so what it told last is final.
        """
        last = None if self._silent else start_reports.read(self.place, self.here.who.number)
        if last is None:
            return
        self.ordinal = last.ordinal + 1
        if last.state == STARTING:
            self.attempt = last.attempt + 1
            self.died = (last.pid, last.step)
            if last.attempt >= MOST_ATTEMPTS:
                self.step = last.step
                raise ChildProcessError(
                    f"the last {last.attempt} workers with this number died at this step "
                    f"(the last one was pid {last.pid})"
                )

    def next(self, step: str) -> None:
        """Say what comes next; only what can end the process is worth a line of its own."""
        self.step = step
        self.tell(STARTING)

    def tell(self, state: str) -> None:
        """Tell the parent; that it has gone meanwhile is not this worker's failure."""
        if self._silent:
            return
        here = self.here
        report = StartReport(
            here.who.number,
            os.getpid(),
            here.who.start_method,
            state,
            self.step if state not in (STARTED, ENDED) else "",
            self.began,
            time.time() - self.began,
            dict(here.applied.verified),
            tuple(here.applied.notes),
            here.failure,
            self.attempt,
            self.ordinal,
            self.died,
        )
        try:
            start_reports.write(self.place, report)
        except OSError:
            self._silent = True


def catch_sigterm(steps: Steps) -> Any:
    """Tell a worker that the pool ends while it starts from one that its start kills."""
    import signal

    def stop(number: int, frame: object) -> None:
        steps.tell(STOPPED)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    try:
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, stop)
            return stop
    except ValueError:  # not in the main thread
        pass
    return None


def restore_sigterm(handler: Any) -> None:
    """Undo ``catch_sigterm``, unless the program has set a handler of its own meanwhile."""
    import signal

    if handler is not None and signal.getsignal(signal.SIGTERM) is handler:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
