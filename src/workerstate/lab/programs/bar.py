"""Another module of the program under test: a function and a global."""

from __future__ import annotations

import os

from meeting import tell  # type: ignore[import-not-found]

tell(f"import bar pid={os.getpid()}")

bar_global = "the global of bar"


def bar_function() -> str:
    """Give a text."""
    return "the function of bar"
