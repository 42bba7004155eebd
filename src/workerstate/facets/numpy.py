"""How numpy reports floating-point errors, prints arrays, and buffers.

The state of the legacy global generator (``numpy.random.seed``) is shown, as a hash, and never
carried. Print formatters are the functions themselves.
"""

from __future__ import annotations

from workerstate.facets import LibraryFacet
from workerstate.fingerprint import Text, describe_value, ready
from workerstate.fingerprint.classes import imported
from workerstate.fingerprint.walk import is_scalar
from workerstate.values import Captured

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_FUNCTIONS = ("formatter", "override_repr")  # print options: functions by kind, one for arrays


class NumpyFacet(LibraryFacet):
    """Keys are ``errstate.<kind>``, ``print.<option>`` and ``bufsize``."""

    name = "numpy"
    module = "numpy"
    phase = "task"  # numpy 2 keeps errstate and print options per context
    imports = True

    def capture(self) -> Captured:
        """Read the options, and the generator if there is one yet."""
        settings: dict[str, Any] = {}
        observed: dict[str, Any] = {}
        for kind, action in imported("numpy", "geterr")().items():
            settings[f"errstate.{kind}"] = action
        for option, value in imported("numpy", "get_printoptions")().items():
            if is_scalar(value) or option in _FUNCTIONS:
                settings[f"print.{option}"] = value
            else:
                observed[f"print.{option}"] = Text(describe_value(value))
        settings["bufsize"] = imported("numpy", "getbufsize")()
        generator = imported("numpy.random.mtrand", "_rand")
        if generator is not None:
            observed["legacy generator"] = ready(generator)
        return Captured(settings, observed)

    def apply(self, settings: Mapping[str, Any]) -> None:
        """Set what differs, in the calling context."""
        import numpy

        present = self.capture().settings
        changed = {key: value for key, value in settings.items() if present.get(key) != value}
        numpy.seterr(**_part("errstate.", changed))
        options = _part("print.", changed)
        if options:
            numpy.set_printoptions(**options)
        if "bufsize" in changed:
            numpy.setbufsize(changed["bufsize"])


def _part(prefix: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key.removeprefix(prefix): value for key, value in settings.items() if key.startswith(prefix)
    }


facet = NumpyFacet()
