"""Exceptions that can't be made again from their pickle, which calls ``cls(*self.args)``."""

from __future__ import annotations

import inspect

from workerstate.audit.brought import pickles_itself
from workerstate.audit.known import ABSENT, NOWHERE, Known
from workerstate.audit.reach import Reach
from workerstate.fingerprint.classes import FunctionType, mro_of, namespace_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_BY_PLACE = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_ANY_NUMBER = 1000


def lost(reach: Reach) -> dict[str, list[str]]:
    """Give the exceptions of the program that the task raises and that are lost, and why."""
    rows = {}
    for name, (cls, at) in reach.exceptions.items():
        why = None if pickles_itself(cls) else _reason(cls)
        if why is not None:
            rows[name] = [why, str(at)]
    return rows


def _reason(cls: type) -> str | None:
    maker = _maker(cls)
    if type(maker) is not FunctionType:
        return None
    parameters = list(inspect.signature(maker).parameters.values())[1:]
    required = [each for each in parameters if each.default is inspect.Parameter.empty]
    for each in required:
        if each.kind is inspect.Parameter.KEYWORD_ONLY:
            return f"__init__ needs {each.name}= by name, which a pickle does not give"
    least = len([each for each in required if each.kind in _BY_PLACE])
    most = len([each for each in parameters if each.kind in _BY_PLACE])
    if any(each.kind is inspect.Parameter.VAR_POSITIONAL for each in parameters):
        most = _ANY_NUMBER
    kept = _kept(cls, maker, least)
    if kept is None or least <= kept <= most:
        return None
    return f"__init__ takes {least} arguments, and hands {kept} on to Exception"


def _maker(cls: type) -> Any:
    for base in mro_of(cls):
        if "__init__" in namespace_of(base):
            return namespace_of(base)["__init__"]
    return None


def _kept(cls: type, maker: Any, given: int) -> int | None:
    """Count what ``args`` holds after ``cls(...)``; None where __init__ hands nothing on."""
    reach = Reach()
    made = Known(ABSENT, cls=cls)
    reach.call(Known(maker, owner=made), [None] * given, {}, NOWHERE)
    return reach.kept_arguments
