"""What the verbs share: where a document goes, and how it is shown."""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import TYPE_CHECKING, Any

from workerstate.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console


def whole_number(least: int) -> Callable[[str], int]:
    """Give what argparse needs to read a whole number of at least ``least``."""

    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} on")
        return int(text)

    return read


def check_target(target: str) -> None:
    """Refuse a file that ``write_json`` could not write, before a program runs for it.

    Raises:
        UsageError: the file can't be written.
    """
    if target != "-":
        try:
            os.close(os.open(target, os.O_WRONLY | os.O_CREAT, 0o600))
        except OSError as error:
            raise UsageError(f"can't write {target}: {error.strerror}") from error


def write_json(document: object, target: str) -> None:
    """Write a document to a file, or to stdout for ``-``.

    Raises:
        UsageError: the file can't be written.
    """
    text = json.dumps(document, indent=1, ensure_ascii=True)
    if target == "-":
        print(text)
        return
    try:
        # A recording may name what is private: for its owner only.
        number = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(number, "w") as file:
            file.write(text + "\n")
    except OSError as error:
        raise UsageError(f"can't write {target}: {error.strerror}") from error


def console() -> Console:
    """Give a terminal on stderr; rich obeys NO_COLOR, FORCE_COLOR and TERM=dumb by itself."""
    from rich.console import Console

    class Screen(Console):
        def on_broken_pipe(self) -> None:
            raise  # rich itself would end the process, and redirect our stdout

    wide = None if sys.stderr.isatty() else 100
    # What is shown are names of the program's: nothing in them is meant for rich.
    return Screen(stderr=True, width=wide, highlight=False, markup=False, emoji=False)


def show_document(document: dict[str, Any], *, quiet: bool = False) -> None:
    """Show the summary of a document on stderr."""
    from workerstate.report import terminal

    try:
        terminal.render(document, console(), quiet=quiet)
    except OSError:
        pass  # the program closed or filled our stderr; its result is what counts
