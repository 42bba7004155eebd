"""Names for the way from a task to what it holds, such as ``task -> closure 'self' -> .lock``.

A pickler goes down through objects, and through tuples and dicts that only say how an object is
made again. A ``Step`` knows which of these it is, and what its object is.
"""

from __future__ import annotations

import functools
import types
from itertools import islice, pairwise
from typing import Any

from workerstate.explaining.values import By
from workerstate.fingerprint.classes import name_of

MOST_STEPS = 12  # of a path that is shown in full
# What a step is to its owner. A function's own parts go by the names of its attributes.
ROOT, VALUE, CALL, ARGUMENTS, STATE = "root", "value", "call", "arguments", "state"
FUNCTION_PARTS = ("__globals__", "__closure__", "__defaults__", "__kwdefaults__", "__annotations__")
NAMED = (CALL, *FUNCTION_PARTS)
_SAID = {
    "__globals__": "global",
    "__closure__": "closure",
    "__defaults__": "default",
    "__kwdefaults__": "default",
    "__annotations__": "annotation",
}


class Step:
    """One object being pickled.

    ``made_of`` and ``state`` are what its reducer gave; ``index`` counts what was pickled of the
    object above before it (of a dict, keys and values in turn).
    """

    __slots__ = ("below", "by", "index", "made_of", "owner", "role", "start", "state", "value")

    def __init__(self, value: object, above: Step | None, start: int) -> None:
        self.value = value
        self.start = start
        self.below = 0
        self.index = 0
        if above is not None:
            self.index, above.below = above.below, above.below + 1
        self.by: By | None = None
        self.made_of: tuple[object, ...] | None = None
        self.state: object = None
        self.role = ROOT if above is None else _role(above, value)
        self.owner: Step = self if above is None or self.role == VALUE else above.owner


def _role(above: Step, value: object) -> str:
    """Say what a step is, one below ``above``."""
    held: Any = above.value
    if above.role == ROOT:
        return VALUE if value is held[0] else CALL
    if value is None:
        return VALUE
    if above.role == VALUE and above.made_of is not None:
        if value is above.state:
            return STATE
        return ARGUMENTS if _is_made_of(value, above.made_of) else VALUE
    if above.role == STATE and type(value) is dict and type(held) is tuple and len(held) == 2:
        return STATE  # of an object with slots, or of a function
    if above.role == STATE and type(held) is dict and type(above.owner.value) is _Function:
        return next((part for part in FUNCTION_PARTS if held.get(part) is value), VALUE)
    if above.role == ARGUMENTS and type(value) is dict and type(above.owner.value) is _Module:
        return STATE
    return VALUE


def _is_made_of(value: object, made_of: tuple[object, ...]) -> bool:
    """Tell whether a tuple is the arguments of a reducer, or those without the class."""
    if type(value) is not tuple or value is made_of:
        return value is made_of
    rest = made_of[1:]
    return len(value) == len(rest) and all(map(_same, value, rest))


def path(steps: list[Step], arguments: list[str]) -> str:
    """Say the way through ``steps``, from the root on; ``arguments`` are names by position."""
    said = []
    for above, below in pairwise(steps):
        label = _label(above, below, arguments)
        if label:
            said.append(label)
    if len(said) > MOST_STEPS:
        half = MOST_STEPS // 2
        said[half:-half] = ["..."]
    return " -> ".join(said) or "task"


def is_key(above: Step, below: Step) -> bool:
    """Tell whether ``below`` is a key of the dict ``above``."""
    return type(above.value) is dict and below.index % 2 == 0


def _label(above: Step, below: Step, arguments: list[str]) -> str:
    if above.role == ROOT:
        return "task" if below.role == VALUE else ""
    if below.role != VALUE:
        return ""
    if above.role == CALL:
        return f"argument {_argument(above, below, arguments)}"
    if above.role in _SAID:
        return f"{_SAID[above.role]} {_part_name(above, below)!r}"
    if above.role == STATE:
        return _place(above, below, "." if type(above.value) is dict else "[")
    if above.role == ARGUMENTS:
        return _made_label(above.owner.value, below.value)
    if below.value is type(above.value):
        return f"class {name_of(type(above.value))}"
    return _place(above, below, "[")


def _argument(above: Step, below: Step, arguments: list[str]) -> str:
    if type(above.value) is dict:
        return repr(_key(above, below))
    index = below.index
    return repr(arguments[index]) if index < len(arguments) else str(index + 1)


def _part_name(above: Step, below: Step) -> object:
    """Name what a function holds: a global, a variable around it, a default."""
    held: Any = above.value
    code = above.owner.value.__code__  # type: ignore[attr-defined]
    if type(held) is dict:
        return _key(above, below)
    if above.role == "__closure__":
        return code.co_freevars[below.index]
    return code.co_varnames[code.co_argcount - len(held) + below.index]


def _made_label(owner: object, value: object) -> str:
    """Name what an object is made of; where that says nothing, nothing is said."""
    if type(owner) is types.MethodType and value is owner.__self__:
        return "self"
    if type(owner) is functools.partial:
        return "function" if value is owner.func else "arguments"
    return ""


def _place(above: Step, below: Step, mark: str) -> str:
    """Say where in a container something is: ``.name``, ``['key']`` or ``[0]``."""
    held: Any = above.value
    if isinstance(held, dict):
        if is_key(above, below):
            return "a key"
        key = _key(above, below)
        return f".{key}" if mark == "." else f"[{_short(key)}]"
    if type(held) in (list, tuple):
        return f"[{below.index}]"
    if isinstance(held, list):
        return next(
            (f"[{n}]" for n, item in enumerate(list.__iter__(held)) if item is below.value), ""
        )
    return "an item" if isinstance(held, set | frozenset) else ""


def _short(key: object) -> str:
    if type(key) in (str, int, bool, bytes, float):
        text = repr(key)
        return text if len(text) <= 40 else f"{text[:39]}…"
    return name_of(type(key))


def _key(above: Step, below: Step) -> object:
    """Give the key of a dict's value; a dict's own items come in their order."""
    held: Any = above.value
    if type(held) is dict:
        return next(islice(held, below.index // 2, None), None)
    return next((key for key, each in dict.items(held) if each is below.value), None)


def _same(one: object, other: object) -> bool:
    return one is other


_Function = types.FunctionType
_Module = types.ModuleType
