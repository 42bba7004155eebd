"""Environment variables, all of them.

What a process read from its environment while starting (its hash seed, a thread pool's size) can't
be put back by setting the variable later.
"""

from __future__ import annotations

import os

from workerstate.facets import OWN_PATHS, OWN_VARIABLES, Facet
from workerstate.fingerprint import REDACTED, describe_value, looks_secret
from workerstate.fingerprint.classes import name_of
from workerstate.values import Captured, is_unset

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_ENVIRON = os.environ


class EnvironFacet(Facet):
    """Each variable is a setting under its own name; applying leaves unnamed ones alone."""

    name = "environ"
    phase = "exec"

    def capture(self) -> Captured:
        """Read all variables but the observer's own."""
        settings = {}
        for name, value in self._variables():
            if name.startswith(OWN_VARIABLES):
                continue
            if name == "PYTHONPATH" and OWN_PATHS:
                value = without_own(value)
                if not value:
                    continue
            settings[name] = value
        return Captured(settings, {})

    def _variables(self) -> list[tuple[str, str]]:
        environ: Any = os.environ
        if type(environ) is dict:  # some programs put a plain copy there
            return list(environ.items())
        if type(environ) is not type(_ENVIRON):
            raise self.fail("capture", f"os.environ was replaced by a {name_of(type(environ))}")
        decode = os.fsdecode
        return [
            (decode(name), decode(value)) for name, value in list(vars(environ)["_data"].items())
        ]

    def apply(self, settings: Mapping[str, Any]) -> None:
        """Set the given variables; delete those whose value is None or UNSET."""
        environ = os.environ
        for name, value in settings.items():
            if value is None or is_unset(value):
                environ.pop(name, None)
                continue
            if name == "PYTHONPATH" and OWN_PATHS:
                value = with_own(value)
            if environ.get(name) != value:
                environ[name] = value

    def describe(self, key: str, value: object, *, values: bool = False) -> str:
        """Say that a variable is set, its length and a hash; its value only if asked for."""
        if type(value) is not str:
            return "unset"
        hidden = looks_secret(key) or ("://" in value and "@" in value)
        said = describe_value(value, values=values and not hidden)
        if values and not hidden:
            return said
        mark = said.rpartition(" ")[2]
        return f"set, {REDACTED if values else f'{len(value)} characters'} {mark}"


def without_own(value: str) -> str:
    """Give a search path without the observer's directories."""
    return os.pathsep.join(part for part in value.split(os.pathsep) if part not in OWN_PATHS)


def with_own(value: str) -> str:
    """Give a search path with those of the observer's directories that are in use here."""
    present = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return os.pathsep.join([part for part in present if part in OWN_PATHS] + [value])


facet = EnvironFacet()
