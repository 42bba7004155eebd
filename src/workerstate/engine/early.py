"""Settings that a worker takes on before it reads the task that brings them.

A task's function may be of a module that is found only on the path which it was submitted with. So
the settings come first in its pickle, and are applied as it is read.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Early:
    """What a worker takes on as it reads it.

    Args:
        fingerprint: of the settings.
        settings: pickled, or None where workers read the parent's folder.
    """

    def __init__(self, fingerprint: str, settings: bytes | None) -> None:
        self._settings = (fingerprint, settings)

    def __reduce__(self) -> Any:
        from workerstate import starting

        return starting.take_early, self._settings
