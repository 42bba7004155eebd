"""A module of the program under test: its import prints, and so do its functions."""

from __future__ import annotations

import logging
import os

from meeting import meet, tell  # type: ignore[import-not-found]

tell(f"import foo pid={os.getpid()}")


def say(what: str) -> None:
    """Print which process this is and how many handlers its root logger has."""
    handlers = len(logging.getLogger().handlers)
    tell(f"{what} pid={os.getpid()} handlers={handlers}")


def report(place: str, expected: int) -> None:
    """Show the handlers."""
    meet(place, expected)
    say("foo.report")


def add_handler(place: str, expected: int) -> None:
    """Add a handler, and leave it there."""
    meet(place, expected)
    logging.getLogger().addHandler(logging.StreamHandler())
    say("foo.add_handler")
