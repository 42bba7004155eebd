"""How many threads the native libraries (BLAS, OpenMP) use.

Their numbers can be read and set only where the program has imported threadpoolctl; otherwise the
variables that the libraries read when they are loaded are shown.
"""

from __future__ import annotations

import os

from workerstate.facets import LibraryFacet
from workerstate.fingerprint.classes import imported
from workerstate.values import Captured

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

VARIABLES = (
    "BLIS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


class NativeThreadsFacet(LibraryFacet):
    """Keys are ``<interface>.<library>`` (``blas.openblas``), and the names of variables."""

    name = "native_threads"
    imports = True
    conditional = True

    def capture(self) -> Captured:
        """Read the number of threads of each library that is loaded."""
        environ = os.environ
        observed = {name: environ[name] for name in VARIABLES if name in environ}
        settings = {}
        for library in self._libraries():
            settings[_key(library)] = library.num_threads
        return Captured(settings, observed)

    def _libraries(self) -> list[Any]:
        controller = imported("threadpoolctl", "ThreadpoolController")
        return [] if controller is None else list(controller().lib_controllers)

    def apply(self, settings: Mapping[str, Any]) -> None:
        """Set the number of threads of the libraries that are loaded here."""
        if not any("." in key for key in settings):
            return
        import threadpoolctl  # noqa: F401 - so that the libraries can be asked

        for library in self._libraries():
            wanted = settings.get(_key(library))
            if wanted is not None and library.num_threads != wanted:
                library.set_num_threads(wanted)


def _key(library: Any) -> str:
    prefix = getattr(library, "prefix", "") or ""
    return f"{library.user_api}.{prefix or library.internal_api}"


facet = NativeThreadsFacet()
