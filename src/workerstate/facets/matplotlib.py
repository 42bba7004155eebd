"""matplotlib's rcParams that were set away from their defaults, the backend among them.

Open figures and the current axes are not state that a worker can be given.
"""

from __future__ import annotations

from workerstate.facets import LibraryFacet
from workerstate.fingerprint import Text, describe_value, digest
from workerstate.fingerprint.classes import imported
from workerstate.fingerprint.walk import is_scalar
from workerstate.values import Captured, is_unset

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class MatplotlibFacet(LibraryFacet):
    """Keys are those of ``matplotlib.rcParams``."""

    name = "matplotlib"
    module = "matplotlib"
    sparse = True
    imports = True

    def capture(self) -> Captured:
        """Read past rcParams' own methods: asking them for the backend would choose one."""
        params = imported("matplotlib", "rcParams")
        defaults = imported("matplotlib", "rcParamsDefault")
        if params is None or defaults is None:
            raise self.fail("capture", "matplotlib is only half imported")
        settings: dict[str, Any] = {}
        observed: dict[str, Any] = {}
        fresh = dict(dict.items(defaults))
        for key, value in list(dict.items(params)):
            default = fresh.get(key)
            if value is default:
                continue
            if is_scalar(value) or type(value) is list or type(value) is tuple:
                if type(value) is not type(default) or digest(value) != digest(default):
                    settings[key] = value
            elif key == "axes.prop_cycle":
                if digest(value) != digest(default):
                    settings[key] = value.by_key()
            elif key != "backend" and digest(value) != digest(default):
                observed[key] = Text(describe_value(value))
        return Captured(settings, observed)

    def apply(self, settings: Mapping[str, Any]) -> None:
        """Set those that differ; UNSET gives the default."""
        import matplotlib

        present = self.capture().settings
        for key, value in settings.items():
            if key in present and present[key] == value:
                continue
            if is_unset(value) and key == "backend":
                # Once chosen, rcParams would not let go of it.
                default = dict.__getitem__(matplotlib.rcParamsDefault, key)
                dict.__setitem__(matplotlib.rcParams, key, default)
            elif is_unset(value):
                matplotlib.rcParams[key] = matplotlib.rcParamsDefault[key]
            elif key == "axes.prop_cycle":
                from cycler import cycler

                matplotlib.rcParams[key] = cycler(**value)
            else:
                matplotlib.rcParams[key] = value


facet = MatplotlibFacet()
