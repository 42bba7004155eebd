"""What a task's own code makes when it needs it: singletons, and what functions have cached.

Such a name is empty in a fresh worker, and no finding: the task fills it. But what the parent has
there may not be what a worker would make: the program has set more on it since. So a reference
worker makes it too, by the very function that the task would call, and the two are compared.

Asked for are only functions that take no arguments and gave an object of the program's own, or a
small container: to load a model once more would take long, and tell little.
"""

from __future__ import annotations

import gc
import sys

from workerstate.audit.known import ABSENT, CACHED, TESTED
from workerstate.audit.shapes import module_of, resolve
from workerstate.fingerprint import fingerprint
from workerstate.fingerprint.classes import module_namespace, qualified
from workerstate.program import user_modules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from workerstate.audit.reach import Reach
    from workerstate.audit.shapes import Shape

MOST = 12
_CONTAINERS = (dict, list, set)


def makers(reach: Reach) -> dict[str, str]:
    """Give root -> the function that makes what is there, of what can be made once more."""
    found: dict[str, str] = {}
    for root, function in reach.makers.items():
        asked = any(chain[-1:] == (TESTED,) for chain in reach.names.get(root, ()))
        if asked and _is_state(resolve(root, ())):
            found[root] = function
    for root, chains in reach.names.items():
        if (CACHED,) in chains and _is_state(resolve(root, (CACHED,))):
            found[root] = root
    return dict(list(found.items())[:MOST])


def _is_state(value: Any) -> bool:
    kind = type(value)
    if value is ABSENT or value is None:
        return False
    if kind not in _CONTAINERS and qualified(kind)[0] not in user_modules():
        return False
    return not fingerprint(value).partial


def cached(function: Any) -> Any:
    """Give what a function of functools.lru_cache keeps for no arguments; ABSENT if nothing."""
    held = gc.get_referents(function)
    for each in held:
        if type(each) is dict and () in each:
            value = each[()]
            if type(value).__name__ != "_lru_list_elem":
                return value
            # Of a cache with a size, the function itself shows its keys, each before its value.
            keys = [at for at, key in enumerate(held[:-1]) if type(key) is tuple and not key]
            return held[keys[0] + 1] if keys else ABSENT
    return ABSENT


def make(request: dict[str, Any], shape_at: Any) -> dict[str, Shape | None]:
    """In a reference worker: call those functions; give the shapes of what there is then."""
    made: dict[str, Shape | None] = {}
    for root, function in request["makers"].items():
        needed = function == root or resolve(root, ()) in (None, ABSENT)
        if needed and _call(function):
            for key in request["values"]:
                name, *chain = key.split("\t")
                if name == root:
                    made[key] = shape_at(root, tuple(chain))
    return made


def _call(name: str) -> bool:
    module = module_of(name)
    if module is None or module_namespace(module) is None:
        return False
    try:
        found: Any = sys.modules["__mp_main__" if module == "__main__" else module]
        for part in name[len(module) + 1 :].split("."):
            found = getattr(found, part)
        found()
    except BaseException:  # it is the program's own code: a task would see what is wrong
        return False
    return True
