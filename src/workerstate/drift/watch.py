"""What a worker was at its start, and what each task left behind.

A cheap look follows every task; what moved in it is read at once. All facets are read after the
first tasks of each function, and else as often as that stays below half a percent of the tasks'
time; a change that is found only then says how many tasks it may have been.
"""

from __future__ import annotations

import sys
from time import perf_counter_ns

from workerstate.drift import natural
from workerstate.drift.acting import Actor
from workerstate.drift.looks import frozen, looks, threads_end
from workerstate.drift.reading import Declared, State, differences, put_back, read
from workerstate.errors import DriftError
from workerstate.facets import get
from workerstate.values import Captured

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from workerstate.drift.policy import Policies
    from workerstate.drift.reading import Change

FIRST_TASKS = 2
AMOUNTS = 50  # tasks after which memory and open files are looked at, at the latest
SHARE = 200  # one part in so many of the tasks' time may go into whole readings
_MOST_FUNCTIONS = 1000


class Watch:
    """The drift of one worker.

    Args:
        policies: the spec's.
        actor: what does something about it.
        seeded: the global generators are seeded for each task, so what they are is no drift.
    """

    def __init__(self, policies: Policies, actor: Actor, *, seeded: bool) -> None:
        self._policies = policies
        self._actor = actor
        self._seeded = seeded
        self._baseline: dict[str, State] = {}
        self._last: dict[str, State] = {}
        self._seen: dict[object, int] = {}
        self._modules = 0
        self._unread = self._tasks = 0  # nanoseconds, and tasks, since all was read
        self._cost = 500_000
        self._began = 0
        self.settle()

    def settle(self, declared: Iterable[str] = ()) -> None:
        """Take the state before the next task for the one that this worker is to have.

        Args:
            declared: globals (``module:NAME``) that the spec carries or sets.
        """
        self._settled = False
        policies = self._policies
        self._names = [n for n in policies.facets() if not (self._seeded and n == "random")]
        wanted = list(declared) if policies.of("modules") != "ignore" else []
        self.declared = Declared(wanted, whole="modules" in self._names)
        if wanted and "modules" not in self._names:
            self._names.append("modules")
        self._looks = looks(self._names)
        self._amounts = [name for name in self._names if get(name).growth]
        if wanted:
            self._looks.append(("modules", self.declared.look))

    def before(self, *, anew: bool = False) -> None:
        """Take the baseline, if there is none yet; called when a task is about to run.

        Args:
            anew: what has moved since the last task is no task's doing, and belongs to the start
                state: this process is the parent's own.
        """
        if self._settled and anew:
            fresh = read(self._moved(), self.declared)
            self._baseline.update(fresh)
            self._last.update(fresh)
            self._look_again()
        if not self._settled:
            self._settled = True
            self._look_again()  # which may import what a facet reads
            self.declared.keep()
            self._last = read(self._names, self.declared)
            self._baseline = dict(self._last)
            self._look_again()
            self._tasks = self._unread = 0
        self._began = perf_counter_ns()

    def after(self, fn: Callable[..., Any], *, failed: bool = False) -> None:
        """Compare, when a task is over; do about it what the policies say.

        Raises:
            DriftError: it left behind what is not to be. Not if it has failed by itself, which
                is what counts then; the parent is warned instead.
        """
        try:
            self._check(fn, failed)
        except DriftError:
            raise
        except Exception as error:  # of ours, or of a facet of a third party: not the task's fault
            self._actor.tell_fault(fn, error)

    def _check(self, fn: Callable[..., Any], failed: bool) -> None:
        now = perf_counter_ns()
        self._unread += now - self._began
        self._tasks += 1
        moved = self._moved()
        whole = self._all_due(fn)
        if not moved and not whole:
            return
        found = self._compare(self._names if whole else moved)
        since = {name: self._since(name, name in moved) for name in found}
        if whole:
            self._cost = (self._cost + perf_counter_ns() - now) // 2
            self._unread = self._tasks = 0
        try:
            if found:
                self._actor.act(fn, found, since, failed, self)
        finally:
            if found or whole or moved != self._amounts:
                self._look_again()

    def put_back(self, name: str, keys: list[str]) -> list[Change]:
        """Make those keys of a facet what they were at the start; give what is still different."""
        state, now = self._baseline[name], self._last[name]
        if name == "modules":
            self.declared.put_back(keys)
        elif not get(name).growth:
            put_back(name, state, now, keys)
        (again,) = read([name], self.declared).values()
        self._last[name] = again
        if name == "numpy" and state.held is None:
            state = self._baseline[name] = _with(state, ["legacy generator"], again)
        left = differences(name, state, again)
        return [change for change in left if change[0] in keys]

    def _since(self, name: str, moved: bool) -> int:
        """Give how many tasks it may have been that changed a facet."""
        if name in self._amounts:
            return min(self._tasks, AMOUNTS)
        return 1 if moved else self._tasks

    def _all_due(self, fn: Callable[..., Any]) -> bool:
        """Tell whether all facets are to be read."""
        function = getattr(fn, "__code__", None) or type(fn)
        seen = self._seen.get(function, 0)
        if seen < FIRST_TASKS and len(self._seen) < _MOST_FUNCTIONS:
            self._seen[function] = seen + 1
            return True
        return self._unread > self._cost * SHARE

    def _moved(self) -> list[str]:
        """Give the facets in whose cheap look something moved."""
        moved = []
        for (name, look), before in zip(self._looks, self._looked, strict=True):
            try:
                if look() != before and not (name == "threads" and threads_end(before)):
                    moved.append(name)
            except Exception:  # an object of the program that can't be compared
                moved.append(name)
        return moved if self._tasks % AMOUNTS else [*moved, *self._amounts]

    def _look_again(self) -> None:
        self._looked = [frozen(look()) for _, look in self._looks]
        self._modules = len(sys.modules)

    def _compare(self, names: Iterable[str]) -> dict[str, list[Change]]:
        """Read those facets, and give what is neither as before nor as at the start."""
        imported = list(sys.modules)[self._modules :]
        found = {}
        for name, now in read(names, self.declared).items():
            before = self._last.get(name)
            if before is None:
                before = self._baseline[name] = natural.new(name, now)
            self._last[name] = now
            growth = get(name).growth
            if growth:
                changes = self._grown(name, self._policies.limits.get(name, growth), now)
            else:
                changes = self._drifted(name, before, now, imported)
            if changes:
                found[name] = changes
        return found

    def _grown(self, name: str, limit: int, now: State) -> list[Change]:
        start = self._baseline[name]
        amounts = now.captured.observed
        if all(amount - start.value(key) < limit for key, amount in amounts.items()):
            return []
        self._baseline[name] = now  # what is said once; then it may grow as much again
        return list(differences(name, start, now))

    def _drifted(self, name: str, before: State, now: State, imported: list[str]) -> list[Change]:
        whole = name in self._policies.named
        changes, expected = [], []
        drifted = {key for key, _, _ in differences(name, self._baseline[name], now)}
        for change in differences(name, before, now):
            key = change[0]
            if key not in drifted or (self._seeded and natural.is_seeded(name, key)):
                continue
            if name == "threads" and natural.goes_without_saying(key, before, now):
                continue
            if not whole and natural.is_natural(name, key, before, now, imported, self._unread):
                expected.append(key)
            else:
                changes.append(change)
        if expected:
            # What is natural is no less so for what comes later.
            keep = self._baseline[name] if changes else None
            self._baseline[name] = now if keep is None else _with(keep, expected, now)
        return changes


def _with(state: State, keys: list[str], now: State) -> State:
    """Give a state in which those keys are as they are now."""
    parts = []
    for old, new in (
        (state.captured.settings, now.captured.settings),
        (state.captured.observed, now.captured.observed),
    ):
        part = {key: value for key, value in old.items() if key not in keys}
        part.update((key, new[key]) for key in keys if key in new)
        parts.append(part)
    return State(Captured(*parts), state.held)
