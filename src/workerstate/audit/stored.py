"""What the program's own lines set in libraries: an attribute of a module there, or of a class.

``ssl._create_default_https_context = …`` is such a line, and so is ``install_opener(opener)``, as
the code of that sets a global of its module. The value is as plain as any, so only the line tells
that it is the program's.
"""

from __future__ import annotations

import time
from functools import lru_cache

from workerstate.facets import BUILTIN, get
from workerstate.fingerprint.classes import FunctionType, module_namespace, qualified

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from workerstate.audit.patched import Foreign
    from workerstate.audit.places import Store
    from workerstate.audit.reach import Reach

MOST_SECONDS = 1.0  # to read the functions of libraries that the program calls
# What facets read.
_KNOWN = {"sys", "os.environ", "logging", "warnings"}


def in_libraries(reach: Reach) -> Iterator[tuple[Foreign, str]]:
    """Give the attributes of libraries that the program sets, other than at import, and where."""
    from workerstate.audit import places

    deadline = time.monotonic() + MOST_SECONDS
    done = set()
    for module, namespace in reach.modules.items():
        file = namespace.get("__file__")
        if type(file) is not str:
            continue
        set_here = [(store, store.target) for store in places.stores(module, file)]
        called = places.calls(module, file)
        own = {call.target for call in called if _is_followed(reach, call)}
        for call in called:
            if time.monotonic() > deadline:
                reach.note("what the program calls of libraries is more than is looked through")
                break
            if call.target not in own:
                set_here += [(call, target) for target in _set_by(reach, call)]
        for store, target in set_here:
            if store.at_import or target in done or target.startswith(("?", "__main__.")):
                continue
            done.add(target)
            owner, _, name = target.rpartition(".")
            known = owner in _KNOWN or target in _KNOWN or module_namespace(target) is not None
            found = None if known else _holder(owner)
            if found is not None and not reach.is_users(found[0]):
                yield (*found, name), f"{store.path}:{store.line}"


def _is_followed(reach: Reach, call: Store) -> bool:
    """Tell whether a line is in the task's own code."""
    return call.function is not None and (call.path, call.function[0]) in reach.followed


def _set_by(reach: Reach, call: Store) -> list[str]:
    """Give what a function of a library sets, of its module or its class, when it is called."""
    from workerstate.audit.places import stores_in
    from workerstate.audit.shapes import start

    if call.at_import or "." not in call.target:
        return []
    function: Any = getattr(start(call.target), "value", None)
    if type(function) is not FunctionType or reach.can_follow(function):
        return []
    module, code = function.__module__, function.__code__
    if module.partition(".")[0] in _of_facets():
        return []
    owner = call.target.rpartition(".")[0]
    holder = _holder(owner)
    of_class = holder is not None and holder[1] is not None
    return [
        store.target.replace("?", owner)
        for store in stores_in(module, code.co_filename, code.co_firstlineno)
        if not store.fills and (of_class or not store.target.startswith("?"))
    ]


@lru_cache(maxsize=1)
def _of_facets() -> set[str]:
    return _KNOWN | {get(name).module or name for name in BUILTIN}


def _holder(owner: str) -> tuple[str, type | None] | None:
    """Give the module that a dotted name is, or the class with the module that it is in."""
    from workerstate.audit.shapes import start

    if module_namespace(owner) is not None:
        return owner, None
    value: Any = getattr(start(owner), "value", None)
    return (qualified(value)[0], value) if issubclass(type(value), type) else None
