"""Runs a task for ``purity``, in a worker, and compares what came of two."""

from __future__ import annotations

import pickle

from workerstate.drift.policy import ONLY_IF_NAMED
from workerstate.facets import WATCHED, get
from workerstate.fingerprint import LONGEST, describe_value, fingerprint
from workerstate.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from workerstate.drift.reading import State

_start: dict[str, State] = {}
_modules: list[int] = []


class Outcome(Value):
    """What came of one task.

    Fields:
        kind: ``returned``, ``raised``, or ``lost``: neither arrived.
        value: what it returned.
        text: that in short, or the exception.
        suspects: what had changed in the worker before the task.
    """

    kind: str
    value: Any
    text: str
    suspects: tuple[str, ...]


def tell(fn: Callable[..., Any], item: Any, watched: tuple[str, ...]) -> Outcome:
    """Call ``fn(item)``; say what came of it, and which of those facets had changed before."""
    suspects = changed(watched) if watched else ()
    try:
        value = fn(item)
    except Exception as error:
        return Outcome("raised", None, f"{type(error).__name__}: {error}", suspects)
    return Outcome("returned", value, short(value), suspects)


def short(value: object) -> str:
    """Say a value as its own repr does, in one line of at most 60 characters."""
    try:
        said = " ".join(repr(value).split())
    except Exception:  # of the object's own code
        return describe_value(value)
    return said if len(said) <= LONGEST else f"{said[: LONGEST - 9]}… {describe_value(value)[-7:]}"


def facets(*, seeded: bool) -> tuple[str, ...]:
    """Give the facets that a result may depend on; generators don't count that each task seeds."""
    wanted = (name for name in WATCHED if name not in ONLY_IF_NAMED and not get(name).growth)
    return ("modules", *(name for name in wanted if not (seeded and name == "random")))


def changed(watched: tuple[str, ...]) -> tuple[str, ...]:
    """Say how this worker differs from what it was when this was first called."""
    import sys

    from workerstate.drift import natural
    from workerstate.drift.reading import Declared, differences, read

    now = read(watched, Declared(whole=True))
    if not _start:
        _start.update(now)
        _modules.append(len(sys.modules))
        return ()
    imported = list(sys.modules)[_modules[0] :]
    seeded = "random" not in watched
    found = []
    for name, state in now.items():
        before = _start.get(name)
        if before is None:
            before = _start[name] = natural.new(name, state)
        for key, was, is_ in differences(name, before, state):
            if name == "threads" and natural.goes_without_saying(key, before, state):
                continue
            if seeded and natural.is_seeded(name, key):
                continue
            if not natural.is_natural(name, key, before, state, imported, 0):
                found.append(f"{name}: {key}: {was or 'not there'} -> {is_ or 'not there'}")
    return tuple(found)


def same(one: Any, other: Any) -> bool | None:
    """Tell whether two results are equal to the last bit; None where that can't be known.

    NaN equals NaN, and -0.0 is not 0.0. What a fingerprint can't read in full is compared by its
    pickle, and then by the ``==`` of its own class.
    """
    prints = fingerprint(one), fingerprint(other)
    if not any(each.partial for each in prints):
        return prints[0].digest == prints[1].digest
    if prints[0].digest != prints[1].digest and prints[0].title != prints[1].title:
        return False
    try:
        if pickle.dumps(one, 5) == pickle.dumps(other, 5):
            return True
        equals = getattr(one, "equals", None)  # of pandas' objects
        answer = equals(other) if equals is not None else one == other
        if type(answer) is bool:
            own: object = type(one).__eq__
            return answer if answer or own is not object.__eq__ else None
        return bool(answer.all()) if hasattr(answer, "all") else None
    except Exception:  # of the objects' own code
        return None
