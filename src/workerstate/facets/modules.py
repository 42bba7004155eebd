"""The globals of the program's modules, and the attributes of the classes they define.

By default all are shown, as short texts; those that are declared (``module:NAME``) are carried,
which takes that they can be pickled.
"""

from __future__ import annotations

import sys
import time

from workerstate.facets import Facet
from workerstate.fingerprint import NOT_READ, Text, describe_value, looks_secret, ready
from workerstate.fingerprint.classes import FunctionType, ModuleType, namespace_of, qualified
from workerstate.fingerprint.walk import SCALARS
from workerstate.program import load, user_modules
from workerstate.values import Captured

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

_TYPING = {"typing", "typing_extensions", "__future__"}
_ALIASES = {"GenericAlias", "UnionType"}
MOST_NAMES = 2000
MOST_SECONDS = 0.2  # for all names together


class ModulesFacet(Facet):
    """Keys are ``module.NAME``, ``module.Class.ATTRIBUTE`` and, declared, ``module:NAME``."""

    name = "modules"
    phase = "task"

    def capture(self) -> Captured:
        """Read the globals, within bounds: past those, a name stays, and says it was not read."""
        observed: dict[str, Any] = {"imported": Text(f"{len(sys.modules)} modules")}
        deadline = time.monotonic() + MOST_SECONDS
        for module, namespace in user_modules().items():
            for name, value in program_names(module, namespace):
                if len(observed) > MOST_NAMES:
                    observed["(more)"] = Text(f"only {MOST_NAMES} names were looked at")
                    return Captured({}, observed)
                if time.monotonic() > deadline:
                    observed[f"{module}.{name}"] = Text(NOT_READ)
                else:
                    observed[f"{module}.{name}"] = ready(value, name)
        return Captured({}, observed)

    def declared(self, names: Iterable[str]) -> dict[str, Any]:
        """Give the values of ``module:NAME``, and of all plain globals for ``module:*``.

        Raises:
            FacetError: there is no such name, or its value can't be pickled.
        """
        import pickle

        found = {}
        for name in names:
            try:
                for key, value in _resolve(name):
                    pickle.dumps(value)
                    found[key] = value
            except Exception as error:
                raise self.fail(f"capture of {name}", error) from error
        return found

    def apply(self, settings: Mapping[str, Any]) -> None:
        """Set the declared names in their modules, importing these."""
        for key, value in settings.items():
            module, _, path = key.partition(":")
            holder, _, name = path.rpartition(".")
            owner = load(f"{module}:{holder}") if holder else _module(module)
            if vars(owner).get(name, settings) is not value:
                setattr(owner, name, value)

    def describe(self, key: str, value: object, *, values: bool = False) -> str:
        """Say the value; that of a secret-looking name stays hidden."""
        return describe_value(value, values=values and not looks_secret(key.rpartition(".")[2]))


def program_names(module: str, namespace: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Give the names worth comparing: no dunders, modules and typing aliases."""
    for name, value in list(namespace.items()):
        if type(name) is not str or name.startswith("__") or is_scenery(value):
            continue
        yield name, value
        if issubclass(type(value), type) and qualified(value) == (module, name):
            for attribute, held in list(namespace_of(value).items()):
                if not attribute.startswith("__") and not is_member(held):
                    yield f"{name}.{attribute}", held


def is_scenery(value: object) -> bool:
    """Tell whether a global is a module or a name for type checkers, not state."""
    kind = type(value)
    if kind is type or kind is FunctionType or id(kind) in SCALARS:
        return False
    module, name = qualified(kind)
    return issubclass(kind, ModuleType) or module in _TYPING or name in _ALIASES


def is_member(held: object) -> bool:
    """Tell whether a class attribute only describes slots or instances."""
    return qualified(type(held))[1] in ("member_descriptor", "getset_descriptor")


def is_plain(value: object) -> bool:
    """Tell whether a value is of a builtin type that holds data."""
    return type(value).__module__ == "builtins" and not (callable(value) or is_scenery(value))


def _module(name: str) -> Any:
    return sys.modules.get(name) or __import__(name, fromlist=["_"])


def _resolve(name: str) -> Iterator[tuple[str, Any]]:
    module, _, path = name.partition(":")
    if path != "*":
        yield name, load(name)
        return
    for key, value in list(vars(_module(module)).items()):
        if not key.startswith("_") and is_plain(value):
            yield f"{module}:{key}", value


facet = ModulesFacet()
