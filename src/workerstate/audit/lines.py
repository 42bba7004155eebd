"""In the program's workers: which lines of the program's own code its tasks run.

Each line is told once, with the task that was the first to run it; so a task that runs for long is
hardly slower. Python 3.12 has ``sys.monitoring`` (PEP 669) for that, and every line that was told
goes on at full speed. Before that it is ``sys.settrace``, which slows down what it looks at, so it
looks at no more than MOST_SECONDS of each process.
"""

from __future__ import annotations

import os
import sys
import time

from workerstate.observe import hook
from workerstate.program import is_users_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, FrameType
    from typing import Any

MOST_SECONDS = 2.0
MOST_LINES = 20_000
_LOOK_AFTER = 5000  # lines, between two looks at the clock
_TOOL = 4  # of the numbers that sys.monitoring leaves to anybody
_NAME = "workerstate audit"
BY_VALUE = "<dynamic-code>"  # the file, as cloudpickle says, of code that it has sent by value


class Lines:
    """Follows the tasks of one process, one at a time."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._label = ""
        self._new: list[tuple[str, int]] = []
        self._seen: set[tuple[str, int]] = set()
        self._users: dict[str, bool] = {}
        self._watch: Any = None
        self._told: set[tuple[str, bool, bool]] = set()
        self._whole = True

    def begin(self, label: str) -> None:
        """A task begins, when this has returned."""
        if self._pid != os.getpid():
            self.__init__()  # type: ignore[misc]
        self._label = label
        self._new = []
        if self._watch is None:
            self._watch = _Monitoring(self) if hasattr(sys, "monitoring") else _Tracing(self)
        self._whole = self._watch.start()

    def end(self, ok: bool) -> None:
        """It has ended: tell what it was the first to run."""
        if self._watch is None or not self._label:
            return
        whole = self._watch.stop() and self._whole and len(self._seen) < MOST_LINES
        key = (self._label, ok, whole)
        if self._new or key not in self._told:
            self._told.add(key)
            files = list(dict.fromkeys(file for file, _ in self._new))
            rows = [[files.index(file), line] for file, line in self._new]
            hook.emit("lines", fn=self._label, ok=ok, whole=whole, files=files, list=rows)
        self._label, self._new = "", []

    def is_users(self, code: CodeType) -> bool:
        """Tell whether code is the program's."""
        file = code.co_filename
        found = self._users.get(file)
        if found is None:
            found = self._users[file] = file == BY_VALUE or is_users_file(file)
        return found

    def ran(self, code: CodeType, line: int) -> None:
        """A line of the program's is about to run."""
        place = (code.co_filename, line)
        if place not in self._seen and len(self._seen) < MOST_LINES:
            self._seen.add(place)
            self._new.append(place)


class _Monitoring:
    """By ``sys.monitoring``."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._api: Any = sys.monitoring  # type: ignore[attr-defined,unused-ignore]
        holder = self._api.get_tool(_TOOL)
        self._free = holder in (None, _NAME)  # a process that was forked inside a task has it too
        if holder is None:
            self._api.use_tool_id(_TOOL, _NAME)
        if self._free:
            events = self._api.events
            self._api.register_callback(_TOOL, events.PY_START, self._entered)
            self._api.register_callback(_TOOL, events.LINE, self._ran)

    def start(self) -> bool:
        """Look from now on; False if another tool does."""
        if self._free:
            self._api.set_events(_TOOL, self._api.events.PY_START)
        return self._free

    def stop(self) -> bool:
        """Look no more; tell whether all was seen."""
        if self._free:
            self._api.set_events(_TOOL, 0)
        return self._free

    def _entered(self, code: CodeType, offset: int) -> object:
        if self._lines.is_users(code):
            self._api.set_local_events(_TOOL, code, self._api.events.LINE)
        return self._api.DISABLE

    def _ran(self, code: CodeType, line: int) -> object:
        self._lines.ran(code, line)
        return self._api.DISABLE


class _Tracing:
    """By ``sys.settrace``."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._left = MOST_SECONDS
        self._count = 0
        self._since = 0.0
        self._ours: Any = self._entered

    def start(self) -> bool:
        """Look from now on; False if somebody else does, or enough time has been spent on it."""
        if sys.gettrace() is not None or self._left <= 0:
            return False
        threading: Any = sys.modules.get("threading")
        if threading is not None:
            threading.settrace(self._ours)
        self._since = time.perf_counter()
        sys.settrace(self._ours)
        return True

    def stop(self) -> bool:
        """Look no more; tell whether all was seen."""
        whole: bool = sys.gettrace() == self._ours
        if whole:
            sys.settrace(None)
            self._left -= time.perf_counter() - self._since
        threading: Any = sys.modules.get("threading")
        if threading is not None and getattr(threading, "_trace_hook", None) == self._ours:
            threading.settrace(None)
        return whole

    def _entered(self, frame: FrameType, event: str, argument: Any) -> Any:
        return self._ran if self._lines.is_users(frame.f_code) else None

    def _ran(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            self._lines.ran(frame.f_code, frame.f_lineno)
            self._count += 1
            if self._count % _LOOK_AFTER == 0 and self._is_late():
                self._left = 0.0
                sys.settrace(None)
                return None
        return self._ran

    def _is_late(self) -> bool:
        return time.perf_counter() - self._since > self._left
