"""What a walk through a task's code found, as plain data for the request to the audit."""

from __future__ import annotations

from workerstate.audit import exceptions, shapes
from workerstate.audit.known import NAMED, NOWHERE
from workerstate.fingerprint.classes import FunctionType, mro_of, namespace_of, qualified
from workerstate.fingerprint.walk import is_scalar
from workerstate.observe import state
from workerstate.program import user_modules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from workerstate.audit.reach import Reach
    from workerstate.audit.shapes import Shape

MOST_PLACES = 60
# Facets that any code may touch.
_ALWAYS = ("environ", "cwd", "logging", "warnings", "limits", "locale", "flags")


def said(reach: Reach) -> dict[str, Any]:
    """Give what a walk found, as plain data."""
    return {
        "names": _table(reach.names),
        "library": _table(reach.library),
        "stores": {root: str(at) for root, at in reach.stores.items()},
        "open_stores": {name: str(at) for name, at in reach.open_stores.items()},
        "calls": {name: str(at) for name, at in reach.calls.items()},
        "used": {name: str(at) if at else "" for name, at in reach.used.items()},
        "loggers": sorted(reach.loggers),
        "variables": {name: str(at) for name, at in reach.variables.items()},
        "set_variables": sorted(reach.set_variables),
        "identity": {root: str(at) for root, at in reach.identity.items()},
        "imports": list(reach.imports),
        "replaced": reach.replaced,
        "attributes": {name: str(at) for name, at in list(reach.attributes.items())[:3000]},
        "loose_stores": sorted(reach.loose_stores),
        "makers": dict(reach.makers),
        "given": sorted(reach.given),
        "changes": sorted(reach.changes),
        "formats": {name: str(at) for name, at in reach.formats.items()},
        "hashes": str(reach.hashes) if reach.hashes else None,
        "recursive": str(reach.recursive) if reach.recursive else None,
        "followed": [[file, line, name] for (file, line), name in reach.followed.items()],
        "exceptions": exceptions.lost(reach),
        "notes": list(reach.notes),
        "everywhere": {
            table: {key: _places(found) for key, found in rows.items()}
            for table, rows in reach.everywhere.items()
        },
    }


def _places(found: set[str]) -> list[str]:
    """Give places; of very many the first, with one that says that there are more."""
    rows = sorted(found)
    return rows if len(rows) <= MOST_PLACES else [*rows[:MOST_PLACES], str(NOWHERE)]


def _table(names: dict[str, Any]) -> dict[str, list[list[Any]]]:
    return {
        root: [[list(chain), str(at)] for chain, at in chains.items()]
        for root, chains in names.items()
    }


def values_of(reach: Reach) -> dict[str, Shape | None]:
    """Give the shape of each thing that is read, by root and chain."""
    found = {}
    for table in (reach.names, reach.library):
        for root, chains in table.items():
            for chain in chains:
                found["\t".join((root, *chain))] = shapes.shape_at(root, chain)
            if () not in chains:
                found["\t".join((root, NAMED))] = shapes.shape_at(root, (NAMED,))
    for root, chains in reach.names.items():
        if any(chain[:1] and chain[0].startswith(".") for chain in chains):
            value = shapes.resolve(root, ())
            if type(value) is FunctionType:  # what hangs on a function
                found.setdefault(root, shapes.shape_at(root, ()))
        owner = root.rpartition(".")[0]
        if owner != shapes.module_of(root):
            found.setdefault(owner, shapes.shape_at(owner, ()))
    return found


def digest(shape: Shape | None) -> object:
    """Give what tells a value from another one."""
    return None if shape is None else (shape["type"], shape["digest"])


def touched(reach: Reach) -> dict[str, dict[str, str]]:
    """Give the settings that the task's code may touch, as texts."""
    wanted = {*_ALWAYS, *reach.used}
    return {name: row for name, row in state.read().items() if name in wanted}


def methods(reach: Reach) -> dict[str, list[str]]:
    """Give the program's own methods of the objects that go by the names a task reads."""
    found = {}
    for root in reach.names:
        held = mro_of(type(shapes.resolve(root, ())))
        own = [namespace_of(base) for base in held if reach.is_users(qualified(base)[0])]
        if own:
            found[root] = sorted(
                name
                for namespace in own
                for name, value in namespace.items()
                if type(value) is FunctionType and not name.startswith("__")
            )
    return found


def origins(reach: Reach) -> dict[str, list[str]]:
    """Give the other names of the program that lead to the same object."""
    by_id: dict[int, list[str]] = {}
    for module, namespace in user_modules().items():
        for name, value in list(namespace.items()):
            if type(name) is str and not name.startswith("__") and not is_scalar(value):
                by_id.setdefault(id(value), []).append(f"{module}.{name}")
    found = {}
    for root in reach.names:
        value = shapes.resolve(root, ())
        others = by_id.get(id(value), [])
        if len(others) > 1 and root in others:
            found[root] = others
    return found
