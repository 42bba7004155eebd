"""What a spec carries: the parent's settings as they are now, and how a worker gets them.

The parent puts them into its folder under their fingerprint, and a task brings the fingerprint
alone. So a task of an unchanged declaration weighs next to nothing, and a worker that has other
settings than the task was submitted with fetches them first.
"""

from __future__ import annotations

import os
import sys
import warnings
from time import perf_counter

from workerstate import portable, start_reports
from workerstate.carried_names import capture_named, declared
from workerstate.errors import CarryWarning, FacetError, SpecError, outside
from workerstate.facets import BUILTIN, CARRIED_ONLY, CONTEXTS, get
from workerstate.facets.plugins import references
from workerstate.fingerprint.walk import is_scalar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    Settings = dict[str, dict[str, Any]]

# Facets that can't be carried, and what to do instead.
SHOWN_ONLY = {
    "flags": "they are fixed when an interpreter starts; give them where workers are started",
    "random": "two workers with one state draw the same numbers; use seed=",
    "threads": "a thread can't be moved",
}
SLOW = 0.05  # seconds of one reading
TOLD = 3  # slow readings after which that is told
_WITH_FUNCTIONS = ("numpy", "pandas")  # options that are functions of the program's
RECORDS = ("logging", "loguru", "structlog")  # names whose records reach the parent's handlers


class Carried:
    """What ``carry=`` asks for, taken apart.

    Attributes:
        facets: names of facets.
        named: ``module:NAME`` and ``module:*``.
        everything: ``"all"`` was asked for, so that what is absent is left out.
        records: log records go to the parent's handlers.
        stdio: so does what is printed.
    """

    __slots__ = (
        "_facets",
        "_words",
        "everything",
        "last",
        "libraries",
        "named",
        "records",
        "slow",
        "stdio",
    )

    def __init__(self, carry: Iterable[str]) -> None:
        words = list(carry)
        self.everything = "all" in words
        self.named = [word for word in words if ":" in word]
        self.stdio = "stdio" in words
        self.libraries = [word for word in words if word in RECORDS[1:]]
        self._words = words
        self._facets: list[str] | None = None
        self.last: Any = None  # what was carried last, and its pickle
        self.slow = 0  # how often reading it took long
        self.records = bool(self.libraries) or "logging" in words or self.everything

    @property
    def facets(self) -> list[str]:
        """The facets by name, those of third parties by ``module:attribute``; asked in the parent.

        Raises:
            FacetError: the facets of third parties can't be told apart.
        """
        if self._facets is None:
            known = [name for word in self._words for name in _named_by(word)]
            plugins = references() if self.everything or self._has_others() else {}
            if self.everything:
                known = [n for n in (*BUILTIN, *CARRIED_ONLY) if n not in SHOWN_ONLY]
            wanted = plugins if self.everything else self._words
            self._facets = known + [plugins[word] for word in wanted if word in plugins]
        return self._facets

    def _has_others(self) -> bool:
        ours = (*BUILTIN, *RECORDS, "stdio", "all")
        return any(":" not in word and word not in ours for word in self._words)


def _named_by(word: str) -> list[str]:
    if word in CARRIED_ONLY:
        return [word, f"{word}_context"]
    return [word] if word in BUILTIN else []


def capture(carried: Carried) -> Settings:
    """Read what is carried from this process, in this thread.

    Raises:
        SpecError: something that was asked for by name can't be read or pickled; names it.
    """
    found: Settings = {}
    if carried.records and "loguru" in sys.modules:
        from workerstate.records import loguru_bridge

        loguru_bridge.send_by_name()
    for name in carried.facets:
        facet = get(name)
        if not facet.present():
            if not carried.everything:
                raise SpecError(
                    f"carry={name!r}: {facet.module} is not imported here; import it, "
                    f"or leave {name!r} out"
                )
            continue
        if name in ("modules", "contextvars"):
            continue
        try:
            found[name] = dict(facet.capture().settings)
        except FacetError as error:
            raise SpecError(f"carry={name!r}: {error}") from error
        except Exception as error:  # of a third party's facet
            raise SpecError(f"carry={name!r}: {facet.fail('capture', error)}") from error
    if "contextvars" in carried.facets and get("contextvars").present():
        facet = get("contextvars")
        found["contextvars"] = declared(facet, facet.capture().observed, carried.everything)
    if carried.everything:
        for name in ("contextvars", *_WITH_FUNCTIONS, *CARRIED_ONLY):
            found[name] = {k: v for k, v in found.get(name, {}).items() if _travels(v)}
    capture_named(_names(carried), carried.facets, found)
    # A context that holds nothing is carried too: a forked worker's may hold something.
    return {
        name: settings
        for name, settings in found.items()
        if settings or (name in CONTEXTS and get(name).present())
    }


def _names(carried: Carried) -> list[str]:
    if "modules" not in carried.facets or carried.everything:
        return carried.named
    from workerstate.program import user_modules

    return [*carried.named, *(f"{module}:*" for module in user_modules())]


def _travels(value: object) -> bool:
    try:
        portable.dumps(value)
    except Exception:
        return False
    return True


def now(carried: Carried, given: Mapping[str, Mapping[str, Any]]) -> bytes:
    """Give what workers are to have now, pickled; empty where a spec says nothing of it.

    Raises:
        SpecError: names what can't be carried.
    """
    for name in given.get("modules", ()):
        _check_owner(name)
    began = perf_counter()
    found = merge(capture(carried), given)
    if not found:
        return b""
    if _may_change_inside(found):
        data = dumps(found)
        carried.slow += perf_counter() - began > SLOW
        if carried.slow == TOLD:
            carried.slow += 1
            warnings.warn(
                CarryWarning(*_largest(found), perf_counter() - began), stacklevel=outside()
            )
        return data
    last: tuple[Settings, bytes, bool] | None = carried.last
    by_value = portable.is_by_value()
    try:
        if last is not None and last[0] == found and last[2] == by_value:
            return last[1]
    except Exception:  # arrays, say
        pass
    data = dumps(found)
    carried.last = (found, data, by_value)
    return data


def _largest(found: Settings) -> tuple[str, int]:
    """Give the name of what takes most to send, and how many bytes."""
    sizes = [
        (len(portable.dumps(value)), key if facet == "modules" else f"{facet} {key}")
        for facet, values in found.items()
        for key, value in values.items()
    ]
    size, name = max(sizes)
    return name, size


def _check_owner(name: str) -> None:
    """Make sure that a class of the main module is there: in workers it may come with a task only.

    Raises:
        SpecError: the main module has no such class.
    """
    module, _, path = name.partition(":")
    owner, dot, _ = path.partition(".")
    if dot and module == "__main__" and not hasattr(sys.modules[module], owner):
        raise SpecError(
            f"set={{{name!r}: ...}}: the main module has no {owner!r}; it must have it when tasks "
            "are submitted"
        ) from AttributeError(owner)


def _may_change_inside(found: Settings) -> bool:
    """Tell whether there are values of the program's own, which may lie about being equal."""
    if not found.keys().isdisjoint(("modules", "contextvars")):
        return True
    bound = [value for name in CONTEXTS for value in found.get(name, {}).values()]
    functions: list[Any] = []
    for value in found.get("logging", {}).values():
        functions += [each[0] for each in value] if type(value) is list else [value]
    return not all(map(is_scalar, bound)) or any(map(callable, functions))


def merge(settings: Settings, given: Mapping[str, Mapping[str, Any]]) -> Settings:
    """Lay what ``set=`` gives over what is carried."""
    merged = {name: dict(values) for name, values in settings.items()}
    for name, values in given.items():
        merged.setdefault(name, {}).update(values)
    return merged


def fingerprint(data: bytes) -> str:
    """Give the name under which pickled settings are known."""
    from _blake2 import blake2b

    digest: str = blake2b(data, digest_size=12).hexdigest()
    return digest


def dumps(settings: Settings) -> bytes:
    """Pickle settings, naming the one that can't be.

    Raises:
        SpecError: names the setting.
    """
    try:
        return portable.dumps(settings)
    except Exception as error:
        for facet, values in settings.items():
            for key, value in values.items():
                _check(facet, key, value)
        raise SpecError(f"the settings can't be pickled: {error}") from error


def _check(facet: str, key: str, value: Any) -> None:
    try:
        portable.dumps(value)
    except Exception as error:
        from workerstate.facets.contextvars import Held

        kind = type(value.value if type(value) is Held else value).__name__
        hint = "; unbind it, or carry less" if facet in CONTEXTS else ""
        raise SpecError(
            f"{facet}: {key}: a {kind} can't be sent to a worker: {error}{hint}"
        ) from error


def keep(data: bytes) -> str:
    """Put pickled settings where workers of this machine find them; give their fingerprint."""
    if data is _last[0] and _last[2] == os.getpid():
        return str(_last[1])
    name = fingerprint(data)
    path = start_reports.settings_path(start_reports.folder(), name)
    if path not in _kept or not os.path.exists(path):  # /tmp may have been cleaned since
        start_reports.put(path, data)
        _kept.add(path)
    _last[:] = [data, name, os.getpid()]
    return name


_kept: set[str] = set()
_last: list[Any] = [None, "", 0]
