"""scikit-learn's configuration (``sklearn.set_config``), which each thread has of its own."""

from __future__ import annotations

from workerstate.facets import LibraryFacet
from workerstate.fingerprint.classes import imported
from workerstate.values import Captured

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class SklearnFacet(LibraryFacet):
    """Keys are the arguments of ``sklearn.set_config``."""

    name = "sklearn"
    module = "sklearn"
    phase = "task"
    imports = True

    def capture(self) -> Captured:
        """Read the configuration of the calling thread."""
        get = imported("sklearn", "get_config")
        if get is None:
            raise self.fail("capture", "sklearn is only half imported")
        return Captured(dict(get()), {})

    def apply(self, settings: Mapping[str, Any]) -> None:
        """Set it for the calling thread; a version of sklearn without a key refuses it."""
        import sklearn

        present = sklearn.get_config()
        changed = {
            key: value
            for key, value in settings.items()
            if key not in present or present[key] != value
        }
        if changed:
            sklearn.set_config(**changed)


facet = SklearnFacet()
