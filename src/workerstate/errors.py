"""Every error and warning of the package.

The arguments carry the facts and ``__str__`` makes the sentence, so that each error survives
pickling with its message.
"""

from __future__ import annotations


class WorkerstateError(Exception):
    """The base of all errors that workerstate raises; its text says what, where and what to do."""


class FacetError(WorkerstateError):
    """A facet could not be read or applied.

    Args: the facet's name, what was tried (``capture``, ``apply``, ``derive``), and the reason.
    """

    def __str__(self) -> str:
        if len(self.args) != 3:
            return super().__str__()
        facet, action, reason = self.args
        return f"facet {facet!r}: {action} failed: {reason}"


class UnknownFacetError(WorkerstateError, ValueError):
    """A facet was asked for by a name that no facet has.

    Args: the name, and the names that exist.
    """

    def __str__(self) -> str:
        if len(self.args) != 2:
            return super().__str__()
        name, known = self.args
        near = nearest(name, known)
        hint = f"; did you mean {near!r}?" if near else ""
        return f"unknown facet {name!r}{hint} Known: {', '.join(sorted(known))}"


class UsageError(WorkerstateError):
    """A command was called with something that can't be used; the text says what to do."""


class RecordingError(WorkerstateError):
    """A recording can't be read; the text says which file and what is wrong with it."""


def nearest(name: str, known: list[str]) -> str | None:
    """Give the known name most like ``name``, or None where none is near."""
    import difflib

    found = difflib.get_close_matches(name, known, n=1)
    return found[0] if found else None
