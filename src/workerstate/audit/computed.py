"""Names that code looks up or sets as text: by getattr and setattr, and in globals() and vars()."""

from __future__ import annotations

import re

from workerstate.audit.known import ABSENT, Known, is_a
from workerstate.audit.lookups import class_of, globals_of, home_of
from workerstate.fingerprint.classes import (
    ModuleType,
    module_name,
    plain_module,
    qualified,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from workerstate.audit.known import Place
    from workerstate.audit.noted import Noted
    from workerstate.audit.reach import Reach

    Args = list[Known | None]


def by_name(reach: Reach, name: str, args: Args, at: Place) -> Known | None:
    """Follow getattr, setattr, delattr or hasattr."""
    owner, key = args[0], args[1] if len(args) > 1 else None
    text = key.value if key is not None and is_a(key.value, str) else None
    if name in ("setattr", "delattr"):
        if text is not None:
            reach.store_attribute(owner, text, None, at)
        else:
            _set_any(reach, owner, at)
        return None
    if text is None:
        _get_any(reach, name, owner, key, at)
        return None
    found = reach.attribute(owner, text, at)
    if name == "hasattr":
        reach.test(found, at)
        return None
    return found


def _set_any(reach: Reach, owner: Known | None, at: Place) -> None:
    """Note that some attributes are set, which is not known."""
    if owner is None or owner.value is ABSENT:
        return
    if issubclass(type(owner.value), ModuleType):
        reach.add("open_stores", module_name(owner.value), at)
    elif issubclass(type(owner.value), type):
        reach.add("open_stores", str(home_of(owner.value)), at)
    elif owner.path is not None:
        reach.change(owner.path[0], at)


def text(first: Known | None) -> Known | None:
    """Give a text of which only the beginning is known: a format, or what comes first in it."""
    if first is None or type(first.value) is not str:
        return None
    beginning = re.split("[%{]", first.value, maxsplit=1)[0]
    return Known(ABSENT, cls=str, beginning=beginning) if beginning else None


def _get_any(reach: Reach, name: str, owner: Known | None, key: Known | None, at: Place) -> None:
    """Note that some attribute is asked for, which is not known: of an object, any method."""
    beginning = "" if key is None else key.beginning
    if not beginning:
        reach.note(f"{at}: an attribute that {name}() gets by a computed name was not followed")
    if owner is None or owner.library:
        return
    cls = owner.value if is_a(owner.value, type) else class_of(owner)
    if reach.is_users(qualified(cls)[0]):
        reach.any_method(cls, beginning, at)
    if owner.path is not None:
        reach.read(owner, at)


def namespace(reach: Reach, name: str, args: Args, at: Place) -> Known | None:
    """Follow globals(), vars() or locals()."""
    owner = args[0] if args else None
    if name == "globals" and not args:
        return Known(reach.space)
    if owner is not None and issubclass(type(owner.value), ModuleType):
        return Known(globals_of(owner.value))
    reach.note(f"{at}: names looked up by {name}() were not followed")
    if owner is not None:
        reach.read(owner, at)
    return None


def is_namespace(value: Any) -> bool:
    """Tell whether a dictionary is that of a module."""
    return type(value) is dict and "__builtins__" in value and "__name__" in value


def item(reach: Reach, owner: Known, key: Known | None, at: Place) -> Known | None:
    """Follow ``globals()[key]``."""
    if key is not None and is_a(key.value, str):
        return reach.global_(owner.value, key.value, at)
    reach.note(f"{at}: a global that is looked up by a computed name was not followed")
    return None


def store(reach: Noted, owner: Known, key: Known | None, at: Place) -> None:
    """Follow ``globals()[key] = value``."""
    if key is not None and is_a(key.value, str):
        reach.store_name(owner.value, key.value, None, at)
    else:
        reach.add("open_stores", plain_module(owner.value["__name__"]), at)


def method(
    reach: Reach, owner: Known, name: str, args: Args, named: Any, at: Place
) -> Known | None:
    """Follow a method of a module's dictionary."""
    if name in ("get", "pop", "setdefault") and args:
        return item(reach, owner, args[0], at)
    if name in ("update", "__setitem__"):
        for key in named or ():
            reach.store_name(owner.value, key, None, at)
        if args:
            store(reach, owner, args[0] if name == "__setitem__" else None, at)
    return None
