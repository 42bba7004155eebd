"""Reads a worker's facets, and says in which keys two readings differ."""

from __future__ import annotations

from workerstate import portable
from workerstate.drift import holding
from workerstate.facets import get
from workerstate.fingerprint import fingerprint
from workerstate.fingerprint.walk import is_scalar
from workerstate.program import load
from workerstate.snapshot import alike
from workerstate.values import UNSET, Captured

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    Change = tuple[str, str | None, str | None]

MISSING = object()
_PATIENCE = 5.0  # seconds to read the globals of all modules, where that is what was asked for


class State:
    """One facet at one moment: what was captured, and live objects that are held to put back."""

    __slots__ = ("captured", "held")

    def __init__(self, captured: Captured, held: Any = None) -> None:
        self.captured = captured
        self.held = held

    def value(self, key: str) -> Any:
        """Give what was captured; ``MISSING`` where there is no such key."""
        settings = self.captured.settings
        return settings[key] if key in settings else self.captured.observed.get(key, MISSING)


def read(names: Iterable[str], declared: Declared) -> dict[str, State]:
    """Read those facets that are present; one that can't be read is left out."""
    found = {}
    for name in names:
        facet: Any = get(name)
        if name == "modules":
            found[name] = State(declared.captured())
            continue
        if not facet.present():
            if facet.sparse:
                found[name] = State(Captured({}, {}))
            continue
        try:
            found[name] = State(facet.capture(), holding.hold(name))
        except Exception:  # a library that is half imported, or a broken object
            continue
    return found


def differences(name: str, before: State, after: State) -> Iterator[Change]:
    """Give each key in which two readings of a facet differ, with what it was and is, in words."""
    if before.captured is after.captured:
        return
    say = get(name).describe
    old, new = before.captured, after.captured
    keys = dict.fromkeys((*old.settings, *old.observed, *new.settings, *new.observed))
    for key in keys:
        was, now = before.value(key), after.value(key)
        if was is now or (is_scalar(was) and type(was) is type(now) and was == now):
            continue
        then, here = (
            None if value is MISSING else str(say(key, value, values=True)) for value in (was, now)
        )
        if not alike(then, here):
            yield key, then, here


def put_back(name: str, state: State, now: State, keys: Iterable[str]) -> None:
    """Make those keys of a facet what they were in ``state``; ``now`` is what they are.

    Raises:
        Exception: what a facet raises that can't.
    """
    keys = list(keys)
    settings = state.captured.settings
    wanted = {key: settings[key] for key in keys if key in settings}
    wanted.update(
        (key, UNSET) for key in keys if key in now.captured.settings and key not in wanted
    )
    live = holding.put_back(name, state.held, keys)
    if wanted and not live:
        get(name).apply(wanted)


class Declared:
    """The globals that a spec carries or sets: compared by fingerprint, put back from a pickle."""

    def __init__(self, names: Iterable[str] = (), *, whole: bool = False) -> None:
        self.names = list(names)
        self._whole = whole
        self._kept: bytes | None = None

    def __bool__(self) -> bool:
        return bool(self.names) or self._whole

    def keep(self) -> None:
        """Keep copies of what they are now."""
        if self.names:
            self._kept = portable.dumps({name: load(name) for name in self.names})

    def put_back(self, keys: Iterable[str]) -> None:
        """Make the globals of those names equal to the copies."""
        if self._kept is not None:
            kept = portable.loads(self._kept)
            get("modules").apply({key: kept[key] for key in keys if key in kept})

    def look(self) -> object:
        """Give their fingerprints."""
        return [_text(name) for name in self.names]

    def captured(self) -> Captured:
        """Give their fingerprints by name, and where asked for, all globals of the program's."""
        observed: dict[str, Any] = {}
        if self._whole:
            facet: Any = get("modules")
            observed.update(facet.capture(_PATIENCE).observed)
            del observed["imported"]
        found = {name: _text(name) for name in self.names}
        return Captured({n: text for n, text in found.items() if text is not UNSET}, observed)


def _text(name: str) -> Any:
    from workerstate.fingerprint import Text

    try:
        return Text(fingerprint(load(name)).text)
    except Exception:  # a task has removed it
        return UNSET
