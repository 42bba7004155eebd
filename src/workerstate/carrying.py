"""What a spec carries: the parent's settings as they are now, and how a worker gets them.

The parent puts them into its folder under their fingerprint, and a task brings the fingerprint
alone. So a task of an unchanged declaration weighs next to nothing, and a worker that has other
settings than the task was submitted with fetches them first.
"""

from __future__ import annotations

import os
import sys

from workerstate import portable, start_reports
from workerstate.errors import FacetError, SpecError, WorkerstateError
from workerstate.facets import BUILTIN, CARRIED_ONLY, CONTEXTS, get
from workerstate.facets.plugins import references
from workerstate.fingerprint.walk import is_scalar
from workerstate.values import UNSET

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
        found["contextvars"] = _declared(facet, facet.capture().observed, carried.everything)
    if carried.everything:
        for name in ("contextvars", *_WITH_FUNCTIONS, *CARRIED_ONLY):
            found[name] = {k: v for k, v in found.get(name, {}).items() if _travels(v)}
    _capture_named(carried, found)
    # A context that holds nothing is carried too: a forked worker's may hold something.
    return {
        name: settings
        for name, settings in found.items()
        if settings or (name in CONTEXTS and get(name).present())
    }


def _travels(value: object) -> bool:
    try:
        portable.dumps(value)
    except Exception:
        return False
    return True


def _capture_named(carried: Carried, found: Settings) -> None:
    names = list(carried.named)
    if "modules" in carried.facets and not carried.everything:
        from workerstate.program import user_modules

        names += [f"{module}:*" for module in user_modules()]
    variables = [name for name in names if _is_context_variable(name)]
    rest = [name for name in names if name not in variables]
    if variables or "contextvars" in carried.facets:
        from workerstate.facets.contextvars import send_by_name

        send_by_name()
    if variables:
        found.setdefault("contextvars", {}).update(_declared(get("contextvars"), variables, False))
    if rest:
        found["modules"] = _declared(get("modules"), rest, False)


def _declared(facet: Any, names: Iterable[str], lenient: bool) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in names:
        try:
            found.update(_read(facet, name))
        except Exception as error:
            if not lenient:
                raise SpecError(
                    f"carry={name!r} can't be carried: {_innermost(error)}; "
                    "it must exist when tasks are submitted, and pickle"
                ) from error
    return found


def _read(facet: Any, name: str) -> dict[str, Any]:
    """Give what a name stands for; UNSET for a function or class that stands under its own name.

    By its name it would be what a worker has there, which may be the patch of an earlier task. A
    class comes with its attributes.
    """
    if name.endswith(":*") or facet.name != "modules":
        read: dict[str, Any] = facet.declared([name])
        return read
    from workerstate.program import load, reference

    value = load(name)
    if callable(value) and reference(value) == name:
        attributes = facet.declared([name]) if isinstance(value, type) else {}
        return {**attributes, name: UNSET}
    if type(value).__name__ == "_local" and type(value).__module__ == "_thread":
        # What this thread has in it; a worker's task finds it in the thread that runs it.
        return {f"{name}.{key}": held for key, held in vars(value).items()}
    try:
        read = facet.declared([name])
    except FacetError:
        portable.loads(portable.dumps(value))  # raises what the error should say
        read = {name: value}
    return read


def _innermost(error: BaseException) -> str:
    cause = error.__cause__ if isinstance(error, WorkerstateError) else None
    cause = cause or error
    return f"{type(cause).__name__}: {cause}"


def _is_context_variable(name: str) -> bool:
    from workerstate.program import load

    if name.partition(":")[0] not in sys.modules or name.endswith(":*"):
        return False
    try:
        return type(load(name)).__name__ == "ContextVar"
    except AttributeError:  # it may come before it is needed
        return False


def now(carried: Carried, given: Mapping[str, Mapping[str, Any]]) -> bytes:
    """Give what workers are to have now, pickled; empty where a spec says nothing of it.

    Raises:
        SpecError: names what can't be carried.
    """
    for name in given.get("modules", ()):
        _check_owner(name)
    found = merge(capture(carried), given)
    if not found:
        return b""
    if _may_change_inside(found):
        return dumps(found)
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
    if path not in _kept:
        start_reports.put(path, data)
        _kept.add(path)
    _last[:] = [data, name, os.getpid()]
    return name


_kept: set[str] = set()
_last: list[Any] = [None, "", 0]
