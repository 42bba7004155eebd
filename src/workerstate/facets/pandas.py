"""pandas options that were set away from their defaults."""

from __future__ import annotations

from workerstate.facets import LibraryFacet
from workerstate.fingerprint import Text, describe_value
from workerstate.fingerprint.classes import imported
from workerstate.fingerprint.walk import is_scalar
from workerstate.values import Captured, is_unset

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_CONFIG = "pandas._config.config"


class PandasFacet(LibraryFacet):
    """Keys are pandas' own (``display.max_rows``); a formatter is the function itself."""

    name = "pandas"
    module = "pandas"
    sparse = True
    imports = True

    def capture(self) -> Captured:
        """Read the options from where pandas keeps them; deprecated ones would warn if asked."""
        settings: dict[str, Any] = {}
        observed: dict[str, Any] = {}
        registered = imported(_CONFIG, "_registered_options")
        if registered is None:
            raise self.fail("capture", "this version of pandas keeps its options elsewhere")
        for key, option in list(registered.items()):
            value = _value(imported(_CONFIG, "_global_config"), key)
            if value is option.defval:
                continue
            if not is_scalar(value) and not callable(value):
                observed[key] = Text(describe_value(value))
            elif type(option.defval) is not type(value) or option.defval != value:
                settings[key] = value
        return Captured(settings, observed)

    def apply(self, settings: Mapping[str, Any]) -> None:
        """Set those that differ; UNSET resets."""
        import pandas

        present = self.capture().settings
        for key, value in settings.items():
            if is_unset(value):
                pandas.reset_option(f"^{key}$")
            elif key not in present or present[key] != value:
                pandas.set_option(key, value)


def _value(config: dict[str, Any], key: str) -> Any:
    value: Any = config
    for part in key.split("."):
        value = value[part]
    return value


facet = PandasFacet()
