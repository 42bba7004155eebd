"""What a test has left behind in its process that workers, or later tests, would see.

What is read, and what moves in the nature of things, is as for drift.
"""

from __future__ import annotations

import gc
import sys
import threading
import time

from workerstate.drift import natural
from workerstate.drift.reading import MISSING, Declared, State, differences, read
from workerstate.facets import WATCHED
from workerstate.fingerprint import texts
from workerstate.testing import running

# How long what is about to end may take: threads, processes.
GRACE_S = 1.0
# A test is not asked how much memory it took. Threads and files are named one by one instead.
_LEFT_OUT = ("memory", "fds", "threads")
# How long a test ran says nothing of how much it drew: a generator that moved far was seeded.
_NO_TIME = 0
_OWN_VARIABLES = ("PYTEST_CURRENT_TEST", "PYTEST_VERSION", "PYTEST_XDIST_TESTRUNUID")


class Leftovers:
    """The state of this process as it was, to be compared with what it is later."""

    def __init__(self) -> None:
        self._declared = Declared(whole=True)
        self._facets = [name for name in WATCHED if name not in _LEFT_OUT]
        self._modules = set(sys.modules)
        self._threads = set(threading.enumerate())
        self._processes = running.children()
        self._files = running.files()
        self._before = self._read()

    def found(self) -> list[str]:
        """Say what is left behind, a line for each key; what is about to end may do so."""
        deadline = time.monotonic() + GRACE_S
        while True:
            going = [*self._new_threads(), *self._new_processes()]
            if not going or time.monotonic() > deadline:
                break
            time.sleep(0.01)
        if self._new_files():
            gc.collect()  # files that nobody holds any more
        return [*self._changes(), *going, *self._new_files()]

    def _changes(self) -> list[str]:
        imported = [name for name in sys.modules if name not in self._modules]
        lines = []
        for name, now in self._read().items():
            before = self._before.get(name) or natural.new(name, now)
            for key, old, new in differences(name, before, now):
                if not self._is_usual(name, key, before, imported) and not natural.is_natural(
                    name, key, before, now, imported, _NO_TIME
                ):
                    lines.append(f"{name}: {key}: {_shown(old)} -> {_shown(new)}")
        return lines

    def _read(self) -> dict[str, State]:
        """Read the facets, with values that can be shown: it is the developer who sees them."""
        before = texts._values
        texts.set_values(True)
        try:
            return read(self._facets, self._declared)
        finally:
            texts.set_values(before)

    def _is_usual(self, name: str, key: str, before: State, imported: list[str]) -> bool:
        """Tell what pytest does itself, and what the imports of a test bring."""
        if name == "environ":
            return key in _OWN_VARIABLES
        if name not in self._before:  # its library was imported in the test
            return before.value(key) is MISSING
        if name == "logging":  # libraries set up loggers of their own
            return before.value(key) is MISSING and bool(imported)
        if name != "modules":
            return False
        parts = key.split(".")
        above = {".".join(parts[:end]) for end in range(1, len(parts))}
        return self._modules.isdisjoint(above)  # it was imported in the test

    def _new_threads(self) -> list[str]:
        new = set(threading.enumerate()) - self._threads - running.kept_threads()
        return [f"threads: {name}: (none) -> running" for name in sorted(t.name for t in new)]

    def _new_processes(self) -> list[str]:
        new = running.children() - self._processes - running.kept_processes()
        return [f"processes: {pid}: (none) -> {running.command(pid)}" for pid in sorted(new)]

    def _new_files(self) -> list[str]:
        return [
            f"files: {number}: (none) -> {target}"
            for number, target in sorted(running.files().items())
            if self._files.get(number) != target
        ]


def _shown(text: str | None) -> str:
    return "(none)" if text is None else text
