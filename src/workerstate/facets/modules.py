"""The globals of the program's modules, and the attributes of the classes they define.

By default all are shown, as short texts; those that are declared (``module:NAME``) are carried,
which takes that they can be pickled.
"""

from __future__ import annotations

import sys
import time

from workerstate.facets import Facet
from workerstate.fingerprint import NOT_READ, Text, describe_value, fingerprint, looks_secret, ready
from workerstate.fingerprint.classes import (
    Layout,
    ModuleType,
    attributes_of,
    mro_of,
    namespace_of,
    qualified,
)
from workerstate.program import (
    is_scenery,
    live_globals,
    load,
    program_names,
    reference,
    user_modules,
)
from workerstate.values import Captured

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

# Modules of the standard library whose classes are values, with the one that isn't all of them.
_DATA = (
    *("builtins", "collections", "argparse", "types", "configparser", "datetime", "decimal"),
    *("array", "fractions", "ipaddress", "pathlib", "pathlib._local", "re", "statistics"),
    *("string", "time", "urllib.parse", "uuid", "zoneinfo"),
)
_ADAPTER = ("logging", "LoggerAdapter")
_ENUM = ("enum", "Enum")
_NAMESPACE = type(sys.implementation)  # types.SimpleNamespace, made in C
MOST_NAMES = 2000
MOST_SECONDS = 0.2  # for all names together, where a program is watched


class ModulesFacet(Facet):
    """Keys are ``module.NAME``, ``module.Class.ATTRIBUTE`` and, declared, ``module:NAME``."""

    name = "modules"
    phase = "task"
    imports = True

    def capture(self, seconds: float | None = None) -> Captured:
        """Read the globals, within bounds: past those, a name stays, and says it was not read.

        Args:
            seconds: to spend at most; MOST_SECONDS by default.
        """
        observed: dict[str, Any] = {"imported": Text(f"{len(sys.modules)} modules")}
        deadline = time.monotonic() + (MOST_SECONDS if seconds is None else seconds)
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
        """Give copies of the values of ``module:NAME``, and of all plain globals for ``module:*``.

        ``module:*`` is also the plain attributes of the classes that the module defines, and a
        class of the program's is also its plain attributes, and those of its bases:
        ``module:Class.ATTRIBUTE``. A copy is what a pickle makes of a value; so this does run code
        of the program. Of what has no name in ``names``, what can't be pickled is left out.

        Raises:
            FacetError: there is no such name, or its value can't be pickled.
        """
        import pickle

        found = {}
        for name in names:
            try:
                for key, value in _resolve(name):
                    try:
                        found[key] = pickle.loads(pickle.dumps(value))
                    except Exception:
                        if key == name:
                            raise
            except Exception as error:
                raise self.fail(f"capture of {name}", error) from error
        return found

    def apply(self, settings: Mapping[str, Any]) -> None:
        """Set the declared names in their modules, importing these; equal values stay.

        A list, dict, set or plain object changes in place, so that who imported it by name sees it
        too.
        """
        for key, value in settings.items():
            module, _, path = key.partition(":")
            holder, _, name = path.rpartition(".")
            owner = load(f"{module}:{holder}") if holder else _module(module)
            put(owner, name, value)

    def describe(self, key: str, value: object, *, values: bool = False) -> str:
        """Say the value; that of a secret-looking name stays hidden."""
        return describe_value(value, values=values and not looks_secret(key.rpartition(".")[2]))


def put(owner: Any, name: str, value: Any) -> None:
    """Make an attribute equal to ``value``."""
    read = live_globals(vars(owner)) if issubclass(type(owner), ModuleType) else vars(owner)
    present: Any = read.get(name)
    was, wanted = fingerprint(present), fingerprint(value)
    if was.digest == wanted.digest and not (was.partial or wanted.partial):
        return
    # What goes by two names here is not changed in place: one of them may have been set anew.
    alike = type(present) is type(value) and not any(
        held is present for key, held in list(read.items()) if key != name
    )
    if alike and type(value) in (dict, set):
        present.clear()
        present.update(value)
    elif alike and type(value) is list:
        present[:] = value
    elif alike and _is_mutable(type(value)):
        attributes = attributes_of(present)
        attributes.clear()
        attributes.update(attributes_of(value))
    else:
        setattr(owner, name, value)
        if read is not vars(owner) and issubclass(type(owner), ModuleType):
            read[name] = value


def is_plain(value: object) -> bool:
    """Tell whether a value is data: of a builtin type, or an instance of a class of the program.

    A bare ``object()`` is known by its identity alone, so it isn't.
    """
    kind = type(value)
    if kind is object or callable(value) or is_scenery(value):
        return False
    name = qualified(kind)
    return name[0] in _DATA or name == _ADAPTER or name[0] in user_modules() or is_enum(kind)


def is_enum(cls: type) -> bool:
    """Tell whether instances are members of an enumeration."""
    return any(qualified(base) == _ENUM for base in mro_of(cls))


def plain_attributes(cls: type) -> Iterator[tuple[str, Any]]:
    """Give what a class itself holds of data, by ``module:Class.ATTRIBUTE``, inner classes' too."""
    if is_enum(cls):  # whose attributes are its members, and fixed
        return
    module, path = qualified(cls)
    for name, value in list(namespace_of(cls).items()):
        if name.startswith("__"):
            continue
        if issubclass(type(value), type):
            if qualified(value) == (module, f"{path}.{name}"):
                yield from plain_attributes(value)
        elif is_plain(value) and not _is_descriptor(type(value)):
            yield f"{module}:{path}.{name}", value


def _is_descriptor(cls: type) -> bool:
    return any("__get__" in namespace_of(base) for base in mro_of(cls))


def _is_mutable(cls: type) -> bool:
    """Tell whether instances keep all in their dictionary, and may change there.

    A hash of its own says that they may not, as with enumerations and frozen dataclasses.
    """
    if cls is _NAMESPACE:
        return True
    layout = Layout(cls, ())
    kept = not (layout.hidden or layout.slots) and layout.namespace is not None
    hashes: Any = cls.__hash__
    return kept and type(cls) is type and (hashes is object.__hash__ or hashes is None)


def _module(name: str) -> Any:
    return sys.modules.get(name) or __import__(name, fromlist=["_"])


def _resolve(name: str) -> Iterator[tuple[str, Any]]:
    module, _, path = name.partition(":")
    if path != "*":
        value = load(name)
        yield name, value
        if issubclass(type(value), type):
            modules = user_modules()
            for base in reversed(mro_of(value)):
                if qualified(base)[0] in modules and reference(base) is not None:
                    yield from plain_attributes(base)
        return
    for key, value in list(vars(_module(module)).items()):
        if key.startswith("_"):
            continue
        if is_plain(value):
            yield f"{module}:{key}", value
        elif issubclass(type(value), type) and qualified(value) == (module, key):
            for attribute, held in plain_attributes(value):
                if "._" not in attribute:
                    yield attribute, held


facet = ModulesFacet()
