"""Signal handlers, and the signals that this thread blocks.

A Python handler is carried if it is a function that can be imported by name; otherwise it is
shown only, as is a handler installed by C code.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]

from workerstate.facets import LibraryFacet
from workerstate.fingerprint import Text, describe_value
from workerstate.program import load, reference
from workerstate.values import Captured, is_unset

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# What a fresh interpreter has, where that is not the system's default.
FRESH = {"SIGINT": "_signal:default_int_handler", "SIGPIPE": "ignored", "SIGXFSZ": "ignored"}
_LEFT_OUT = {"SIGKILL", "SIGSTOP", "SIGCLD", "SIGPOLL", "SIGIOT"}  # no handler, or second names
_numbers: dict[str, int] = {}


class SignalsFacet(LibraryFacet):
    """Each signal whose handler is not what a fresh interpreter has, and ``blocked``."""

    name = "signals"
    imports = True

    def capture(self) -> Captured:
        """Read the handlers, and the blocked signals of the calling thread."""
        settings: dict[str, Any] = {}
        observed: dict[str, Any] = {}
        for name, number in numbers().items():
            handler = _signal.getsignal(number)
            said = _named(handler)
            if said is None:
                observed[name] = Text(
                    "a handler in C" if handler is None else describe_value(handler)
                )
            elif said != FRESH.get(name, "default"):
                settings[name] = said
        blocked = _signal.pthread_sigmask(_signal.SIG_BLOCK, ())
        if blocked:
            names = {number: name for name, number in numbers().items()}
            settings["blocked"] = sorted(names.get(int(each), str(int(each))) for each in blocked)
        return Captured(settings, observed)

    def apply(self, settings: Mapping[str, Any]) -> None:
        """Install the handlers (in the main thread only), block the signals."""
        for name, said in settings.items():
            if name == "blocked":
                blocked = [] if is_unset(said) else [_number(each) for each in said]
                _signal.pthread_sigmask(_signal.SIG_SETMASK, blocked)
            else:
                _signal.signal(numbers()[name], _handler(name, said))


def _named(handler: Any) -> str | None:
    if type(handler) is int:
        return "default" if handler == _signal.SIG_DFL else "ignored"
    return FRESH["SIGINT"] if handler is _signal.default_int_handler else reference(handler)


def _handler(name: str, said: Any) -> Any:
    if is_unset(said):
        said = FRESH.get(name, "default")
    if said in ("default", "ignored"):
        return _signal.SIG_DFL if said == "default" else _signal.SIG_IGN
    return load(said)


def _number(name: str) -> int:
    return int(name) if name.isdigit() else numbers()[name]


def numbers() -> dict[str, int]:
    """Give the number of each signal that can have a handler, by its first name."""
    if not _numbers:
        for name, number in sorted(vars(_signal).items()):
            if name.startswith("SIG") and "_" not in name and name not in _LEFT_OUT:
                _numbers[name] = number
    return _numbers


facet = SignalsFacet()
