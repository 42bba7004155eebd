"""What the program's own lines set in libraries: an attribute of a module there, or of a class.

``ssl._create_default_https_context = …`` and ``tempfile.tempdir = …`` are such lines: the value is
as plain as any, so that only the line tells that it is the program's.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from workerstate.audit.patched import Foreign
    from workerstate.audit.reach import Reach

# What facets read.
_KNOWN = ("sys", "logging", "warnings", "os.environ")


def in_libraries(reach: Reach) -> Iterator[Foreign]:
    """Give the attributes of libraries that lines of the program set, other than at import."""
    from workerstate.audit.places import stores

    targets: dict[str, None] = {}
    for module, namespace in reach.modules.items():
        file = namespace.get("__file__")
        for store in stores(module, file) if type(file) is str else ():
            if not (store.at_import or store.target.startswith(("?", "__main__."))):
                targets[store.target] = None
    for target in targets:
        owner, _, name = target.rpartition(".")
        found = None if owner in _KNOWN or target in _KNOWN else _holder(owner)
        if found is not None and not reach.is_users(found[0]):
            yield (*found, name)


def _holder(owner: str) -> tuple[str, type | None] | None:
    """Give the module that a dotted name is, or the class with the module that it is in."""
    from workerstate.audit.shapes import start
    from workerstate.fingerprint.classes import module_namespace, qualified

    if module_namespace(owner) is not None:
        return owner, None
    value: Any = getattr(start(owner), "value", None)
    return (qualified(value)[0], value) if issubclass(type(value), type) else None
