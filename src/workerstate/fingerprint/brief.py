"""A short repr of builtin types, in which secrets stay hidden."""

from __future__ import annotations

from workerstate.fingerprint.classes import name_of
from workerstate.fingerprint.walk import SCALARS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

REDACTED = "<redacted>"
LONGEST = 60  # characters of a repr
_MOST_ITEMS = 40
_MOST_DEPTH = 4

_BRACKETS = {
    id(list): ("[", "]"),
    id(tuple): ("(", ")"),
    id(set): ("{", "}"),
    id(frozenset): ("frozenset({", "})"),
    id(dict): ("{", "}"),
}
_SECRET_PARTS = ("TOKEN", "SECRET", "PASSW", "PASSPHRASE", "CREDENTIAL", "APIKEY", "COOKIE")
_SECRET_WORDS = {"KEY", "KEYS", "AUTH", "DSN", "PW", "PASS"}


def looks_secret(name: str) -> bool:
    """Tell whether what goes by that name should never be shown."""
    upper = name.upper()
    if any(part in upper for part in _SECRET_PARTS):
        return True
    words = upper.replace("-", "_").replace(".", "_").split("_")
    return not _SECRET_WORDS.isdisjoint(words)


def brief(value: object) -> tuple[str, bool]:
    """Give a repr of at most ``LONGEST`` characters, and whether it says the whole value.

    Equal values give equal texts: a set's items, and a dict's, show in the order of their texts.
    """
    writer = _Writer()
    text = writer.say(value, 0)
    if len(text) > LONGEST:
        return text[: LONGEST - 1] + "…", False
    return text, writer.whole


class _Writer:
    """One repr being written; ``whole`` turns False where something is left out."""

    def __init__(self) -> None:
        self.whole = True

    def say(self, value: Any, depth: int) -> str:
        kind = type(value)
        if id(kind) in SCALARS:
            return self.say_scalar(value)
        if id(kind) not in _BRACKETS or depth == _MOST_DEPTH or len(value) > _MOST_ITEMS:
            self.whole = False
            return name_of(kind)
        left, right = _BRACKETS[id(kind)]
        if kind is dict:
            items = sorted([self.say_pair(key, held, depth) for key, held in list(value.items())])
        else:
            items = [self.say(item, depth + 1) for item in list(value)]
            if kind in (set, frozenset):
                items.sort()
        comma = "," if kind is tuple and len(items) == 1 else ""
        return left + ", ".join(items) + comma + right

    def say_pair(self, key: object, held: object, depth: int) -> str:
        if type(key) is str and looks_secret(key):
            self.whole = False
            return f"{key!r}: {REDACTED}"
        return f"{self.say(key, depth + 1)}: {self.say(held, depth + 1)}"

    def say_scalar(self, value: Any) -> str:
        kind = type(value)
        if (kind is int and value.bit_length() > 200) or (
            kind in (str, bytes) and len(value) > LONGEST
        ):
            self.whole = False
            return f"int of {value.bit_length()} bits" if kind is int else f"{value[:LONGEST]!r}…"
        return repr(value)
