"""A worker made to match the parent's settings, and looked at again to see that it does."""

from __future__ import annotations

import sys

from workerstate import portable, start_reports
from workerstate.errors import FacetError
from workerstate.facets import BUILTIN, CARRIED_ONLY, CONTEXTS
from workerstate.records import variables
from workerstate.values import UNSET, is_unset

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    Settings = Mapping[str, Mapping[str, Any]]

# What decides where imports come from and what they read; applied before anything is imported.
EARLY = ("environ", "cwd", "sys_path")
# What each thread or context has of its own. The rest of a process's state is shared with the
# parent by workers that are threads of it, and is never applied there.
IN_THREAD = ("numpy", "decimal", "sklearn", "contextvars", "torch", *CONTEXTS)
# Settings that the parent no longer has go back to their default, where the facet knows that.
_RETURNABLE = (
    "environ",
    "hooks",
    "logging",
    "matplotlib",
    "pandas",
    "signals",
    "contextvars",
    *CARRIED_ONLY,
)
# What a forked worker may have of these that the parent no longer has, goes back as well.
_FRESH = ("environ", "logging", *CARRIED_ONLY)
# On these start methods all that a fresh worker has comes from the program. loky, dask and others
# set variables and loggers of their own, which must stay.
_PLAIN_STARTS = ("fork", "spawn", "forkserver", "template")


def in_thread() -> tuple[str, ...]:
    """Give the facets of which each thread has its own; since 3.14 the filters may be such."""
    aware = getattr(sys.flags, "context_aware_warnings", 0)
    return (*IN_THREAD, "warnings") if aware else IN_THREAD


class Applied:
    """What was applied in this worker, so that what changed since can be told.

    Attributes:
        settings: by facet, as applied last.
        waiting: facets whose library this worker has not imported, with their settings; and what
            belongs to classes of the main module that it has not.
        verified: per facet, how many settings were read back equal.
        notes: what was left out, and why.
    """

    def __init__(self, explicit: Iterable[str], start_method: str) -> None:
        self.explicit = frozenset(explicit)
        self.start_method = start_method
        self.settings: Settings = {}
        self.waiting: dict[str, Mapping[str, Any]] = {}
        self.verified: dict[str, int] = {}
        self.notes: list[str] = []
        self._patched: dict[str, Any] = {}
        self._brought: set[str] = set()  # names of classes that tasks bring

    def apply(self, settings: Settings, names: Iterable[str]) -> None:
        """Make this process match those facets of ``settings``.

        Raises:
            FacetError: one that was asked for by name can't be applied, or reads back otherwise.
        """
        for name in names:
            wanted = settings.get(name, {})
            wanted = {**self._gone(name, wanted), **wanted}
            if name == "modules":
                wanted = self._unpatched(wanted)
                self._wait_for_owners(wanted)
                wanted = {key: wanted[key] for key in wanted if not _owner_to_come(key)}
            if not wanted:
                continue
            if name in self.explicit or _imported(name):
                self._apply_one(name, wanted)
            else:
                self.waiting[name] = wanted

    def settle(self, settings: Settings) -> None:
        """Take note that all of ``settings`` was applied; records bring its context variables."""
        self.settings = settings
        variables.carry(settings.get("contextvars", ()))

    def apply_waiting(self) -> None:
        """Apply what waited for a library that has been imported since, or for a class."""
        for name in [name for name in self.waiting if _imported(name)]:
            wanted = self.waiting[name]
            if name != "modules":
                del self.waiting[name]
            else:
                wanted = {key: wanted[key] for key in wanted if not _owner_to_come(key)}
            if wanted:
                self._apply_one(name, wanted)

    def _wait_for_owners(self, wanted: Mapping[str, Any]) -> None:
        """Keep what belongs to classes that tasks bring; each task may bring one anew."""
        self._brought |= {_owner(key) for key in wanted if _owner_to_come(key)}
        later = {key: wanted[key] for key in wanted if _owner(key) in self._brought}
        if later:
            self.waiting["modules"] = later

    def _apply_one(self, name: str, wanted: Mapping[str, Any]) -> None:
        from workerstate.snapshot import apply_settings

        try:
            apply_settings({name: wanted})
            different = differing(name, wanted)
            if different:
                raise FacetError(name, "verify", f"reads back otherwise: {', '.join(different)}")
        except FacetError as error:
            if name in self.explicit:
                raise
            self.notes.append(str(error))
            return
        self.verified[name] = len(wanted)

    def _unpatched(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Give what was there before the parent's patches in the place of UNSET.

        Keeps what patches are about to replace, so that it can be put back when they end.
        """
        from workerstate.program import load

        found = {}
        for key, value in wanted.items():
            if is_unset(value):
                if key in self._patched:
                    found[key] = self._patched.pop(key)
            else:
                found[key] = value
                if callable(value) and key not in self._patched:
                    try:
                        self._patched[key] = load(key)
                    except AttributeError:  # the parent has made a name that modules don't have
                        pass
        return found

    def _gone(self, name: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Give what is to go back to its default: the parent has it no longer, or never had it."""
        if name not in _RETURNABLE:
            return {}
        before: Iterable[str] = self.settings.get(name, {})
        fresh = not self.settings and self.start_method in _PLAIN_STARTS
        if fresh and name in _FRESH and (wanted or name in CONTEXTS):
            from workerstate.facets import get

            before = get(name).capture().settings
        return {key: UNSET for key in before if key not in wanted}


def _owner(key: str) -> str:
    """Give the name of the class of the main module to which a key belongs; empty if to none."""
    module, _, path = key.partition(":")
    owner, dot, _ = path.partition(".")
    return owner if dot and module == "__main__" else ""


def _owner_to_come(key: str) -> bool:
    """Tell whether a key's class must come with a task, by value: the main module lacks it.

    It comes with its attributes as the parent has them.
    """
    owner = _owner(key)
    return bool(owner) and not hasattr(sys.modules["__main__"], owner)


def order(settings: Settings) -> list[str]:
    """Give the facets of ``settings`` in the order in which they are applied."""
    ours = (*BUILTIN, *CARRIED_ONLY)
    late = [name for name in ours if name in settings and name not in EARLY]
    late += [name for name in settings if ":" in name]  # of third parties
    return [*(name for name in EARLY if name in settings), *late]


def differing(name: str, wanted: Mapping[str, Any]) -> list[str]:
    """Give the keys that, looked at again, don't have the value that was applied."""
    from workerstate.facets import get

    facet: Any = get(name)
    keys = [key for key in wanted if not is_unset(wanted[key])]
    if hasattr(facet, "declared"):
        return [key for key in keys if not _holds(facet, key, wanted[key])]
    now = facet.capture().settings
    if facet.conditional:
        keys = [key for key in keys if key in now]
    wrong = [key for key in keys if not _equals(now.get(key, UNSET), wanted[key])]
    return wrong + [key for key in wanted if key not in keys and name == "environ" and key in now]


def _equals(now: Any, wanted: Any) -> bool:
    return now is wanted or wanted is None or bool(now == wanted)


def _holds(facet: Any, key: str, value: object) -> bool:
    """Tell whether a declared name has that value now."""
    from workerstate.fingerprint import fingerprint
    from workerstate.program import load

    now = load(key) if facet.name == "modules" else facet.declared([key]).get(key)
    return now is value or fingerprint(now).digest == fingerprint(value).digest


def _imported(name: str) -> bool:
    from workerstate.facets import get

    return get(name).present()


def fetch(folder: str, fingerprint: str) -> Settings:
    """Give the parent's settings of that fingerprint.

    Raises:
        FacetError: the parent has gone, and its folder with it.
    """
    try:
        with open(start_reports.settings_path(folder, fingerprint), "rb") as file:
            data = file.read()
    except OSError as error:
        raise FacetError("carry", "fetch", f"the parent's settings are gone ({error})") from error
    settings: Settings = portable.loads(data)  # a value of the program's may raise what it likes
    return settings
