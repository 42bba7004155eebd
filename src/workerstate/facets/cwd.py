"""The current directory and the umask."""

from __future__ import annotations

import os

from workerstate.facets import Facet
from workerstate.values import Captured

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class CwdFacet(Facet):
    """Where relative paths start, and the permissions that new files don't get."""

    name = "cwd"

    def capture(self) -> Captured:
        """Read both; a current directory that was deleted is observed as such."""
        settings: dict[str, Any] = {}
        observed = {}
        try:
            settings["directory"] = os.getcwd()
        except OSError as error:
            observed["directory"] = f"not there ({type(error).__name__})"
        umask = read_umask()
        if umask is not None:
            settings["umask"] = umask
        return Captured(settings, observed)

    def apply(self, settings: Mapping[str, Any]) -> None:
        """Change to the directory, set the umask."""
        if "directory" in settings:
            os.chdir(settings["directory"])
        if "umask" in settings:
            os.umask(settings["umask"])

    def describe(self, key: str, value: object, *, values: bool = False) -> str:
        """Say the umask in octal, the directory as a hash unless values are asked for."""
        if key == "umask" and type(value) is int:
            return f"{value:04o}"
        return super().describe(key, value, values=values)


def read_umask() -> int | None:
    """Read the umask without setting it, which os.umask can't; None where there is no /proc."""
    try:
        status = os.open("/proc/self/status", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        text = os.read(status, 512)
    finally:
        os.close(status)
    _, found, rest = text.partition(b"Umask:")
    return int(rest.split(None, 1)[0], 8) if found else None


facet = CwdFacet()
