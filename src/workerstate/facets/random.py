"""The generator behind ``random.random()``.

Its state is shown, as a hash, and never carried: two workers with one state draw the same numbers.
Seeds are for ``workerstate.seeds``. Since Python 3.7 the generator seeds itself anew after a fork.
"""

from __future__ import annotations

from workerstate.facets import Facet
from workerstate.fingerprint import ready
from workerstate.fingerprint.classes import imported
from workerstate.values import Captured

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class RandomFacet(Facet):
    """The state of the module's own generator."""

    name = "random"
    module = "random"
    phase = "task"

    def capture(self) -> Captured:
        """Read the state without drawing a number."""
        return Captured({}, {"state": ready(imported("random", "_inst"))})

    def apply(self, settings: Mapping[str, Any]) -> None:
        """Seed the generator, where a spec gives ``seed``."""
        if "seed" in settings:
            import random

            random.seed(settings["seed"])


facet = RandomFacet()
