"""The start method that `workerstate run --start` gives to a program that chooses none."""

from __future__ import annotations

import os

from workerstate.observe import declare

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType


def install(module: ModuleType) -> None:
    """Change the default, where that was asked for."""
    if declare.VARIABLE in os.environ:
        declare.choose_start_method(module)
