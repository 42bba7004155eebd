"""Runs a test with another default start method."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver
from typing import Any

# Given to the test by name only: they are chosen where an executor is made.
OTHERS = ("loky", "template", "thread", "inline")


def known() -> list[str]:
    """Give the start methods of multiprocessing on this platform, in a fixed order."""
    return sorted(multiprocessing.get_all_start_methods())


def current() -> str:
    """Give multiprocessing's default start method, without choosing it for good."""
    chosen: str | None = multiprocessing.get_start_method(allow_none=True)
    return chosen or multiprocessing.get_all_start_methods()[0]


@contextmanager
def default(method: str) -> Iterator[None]:
    """Make ``method`` multiprocessing's default, and what it was before at the end.

    Under forkserver the server is a new one, and is stopped at the end: a server keeps the
    environment, the umask and more as they were when it was started, so one that an earlier test
    has started would not see what this test sets.
    """
    before: Any = multiprocessing.get_start_method(allow_none=True)
    if method == "forkserver":
        _stop_server()
    multiprocessing.set_start_method(method, force=True)
    try:
        yield
    finally:
        multiprocessing.set_start_method(before, force=True)
        if method == "forkserver":
            _stop_server()


def _stop_server() -> None:
    """End the fork server. CPython has no public way, but one that its own tests use."""
    server: Any = forkserver._forkserver
    stop = getattr(server, "_stop", None)
    if stop is not None:
        stop()
