"""Say what a value is, equally in every process, without running any of its code.

Two processes can't compare their objects, but they can compare short texts. A text made here is
equal for equal content whatever the process, the start method and the interpreter's hash seed,
and making it calls no ``__repr__``, ``__eq__``, ``__hash__``, ``__reduce__``, property or
``__getattr__`` of the program: builtin and standard types are read through the methods of their
own C types, instances of other classes through the slots and dictionaries that ``type`` keeps.
What can't be looked into that way is named by its type, and the text says so.
"""

from __future__ import annotations

from workerstate.fingerprint.brief import LONGEST, REDACTED, looks_secret
from workerstate.fingerprint.texts import (
    NOT_READ,
    Fingerprint,
    Text,
    describe_value,
    digest,
    fingerprint,
    ready,
    set_salt,
    set_values,
)

__all__ = [
    "LONGEST",
    "NOT_READ",
    "REDACTED",
    "Fingerprint",
    "Text",
    "describe_value",
    "digest",
    "fingerprint",
    "looks_secret",
    "ready",
    "set_salt",
    "set_values",
]
