"""One small file per kind of process-wide state, and the table that names them.

A facet knows how to read its kind of state (``capture``), how to make this process match what
another one read (``apply``), what each worker needs of its own (``derive``), and how to say a
value in a few safe words (``describe``). Comparing is written once, in ``workerstate.snapshot``.
"""

from __future__ import annotations

import sys

from workerstate.errors import FacetError, UnknownFacetError
from workerstate.fingerprint import describe_value, looks_secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, Literal

    from workerstate.values import Captured

    Phase = Literal["exec", "start", "task"]

# What the observer itself brings into a process; facets leave it out. The observer adds to the
# two sets: directories that it put on the import path, and file descriptors that it holds.
OWN_VARIABLES = ("WORKERSTATE_",)
OWN_PATHS: set[str] = set()
OWN_FDS: set[int] = set()


class Facet:
    """One kind of process-wide state.

    Set:
        name: what specs, reports and JSON call it.
        module: the library whose state it is. Unless the program has imported that module the
            facet is *absent*: looking must change nothing. None for the interpreter's own state.
        phase: when ``apply`` can act. ``"exec"``: only before imports (later is possible, but
            said to be late); ``"start"``: once, before the first task; ``"task"``: before each
            task, since a task or a thread sees its own copy.
        sparse: whether only what was set away from its default has a key, so that a key that is
            missing means the default.
        imports: whether applying imports modules, and with them whatever those change.
        conditional: whether a key may be one that this process has not, such as a library that
            it has not loaded; applying leaves it out.
        growth: for an amount, by how much it may grow before that is drift; else 0.

    Implement:
        capture, and for what can be put back, apply.

    May override:
        derive, describe.
    """

    name: str
    module: str | None = None
    phase: Phase = "start"
    sparse: bool = False
    imports: bool = False
    conditional: bool = False
    growth: int = 0

    def capture(self) -> Captured:
        """Read this process. Imports nothing, changes nothing, runs no code of the user's."""
        raise NotImplementedError

    def apply(self, settings: Mapping[str, Any]) -> None:
        """Make this process match ``settings``; doing so twice is doing so once.

        What ``settings`` do not name stays as it is; a key whose value is ``values.UNSET`` goes
        back to its default.
        """
        raise NotImplementedError

    def derive(self, settings: Mapping[str, Any], worker_number: int) -> Mapping[str, Any]:
        """Give what worker number ``worker_number`` (from 0) applies of ``settings``."""
        return settings

    def describe(self, key: str, value: object, *, values: bool = False) -> str:
        """Say ``value`` in at most about 80 characters.

        Two values are equal exactly if their texts are, so that texts can be compared in place
        of values. Unless ``values`` is asked for, the text shows sizes and hashes of what may be
        private, and never a secret.
        """
        return describe_value(value, values=values)

    def fail(self, action: str, reason: object) -> FacetError:
        """Give the error to raise when this facet can't be read or applied."""
        text = f"{type(reason).__name__}: {reason}" if isinstance(reason, Exception) else reason
        return FacetError(self.name, action, text)

    def present(self) -> bool:
        """Tell whether the program has imported what this facet reads."""
        return self.module is None or self.module in sys.modules


class LibraryFacet(Facet):
    """A facet whose values are a library's options: nothing private, so they are shown."""

    def describe(self, key: str, value: object, *, values: bool = False) -> str:
        """Say ``value`` in full where it is short."""
        return describe_value(value, values=not looks_secret(key))


# A facet's name is the name of its file, and the file holds an instance called ``facet``.
BUILTIN: tuple[str, ...] = (
    "logging",
    "warnings",
    "environ",
    "cwd",
    "sys_path",
    "flags",
    "random",
    "numpy",
    "decimal",
    "locale",
    "contextvars",
    "signals",
    "limits",
    "hooks",
    "threads",
    "modules",
    "pandas",
    "sklearn",
    "torch",
    "matplotlib",
    "native_threads",
)

# What only drift reads, as it compares a process with its own past: in two processes it always
# differs, so it belongs to no snapshot.
OWN_PAST = ("builtins", "sys_modules", "memory", "fds")
WATCHED = (*BUILTIN, *OWN_PAST)

# What only a spec carries, with the library of that name: objects of the program's that no other
# process can be compared by, and what is bound in one context.
CONTEXTS = ("structlog_context", "loguru_context")
CARRIED_ONLY = ("structlog", "loguru", *CONTEXTS)

_loaded: dict[str, Facet] = {}


def get(name: str) -> Facet:
    """Give the facet of that name; a third party's goes by ``module:attribute``.

    Raises:
        UnknownFacetError: no facet has that name.
        FacetError: a third party's can't be imported, or is no facet.
    """
    facet = _loaded.get(name)
    if facet is None:
        if name in WATCHED or name in CARRIED_ONLY:
            module = __import__(f"workerstate.facets.{name}", fromlist=["facet"])
            facet = module.facet
        elif ":" in name:
            facet = _import(name)
        else:
            raise UnknownFacetError(name, list(BUILTIN))
        _loaded[name] = facet
    return facet


def _import(name: str) -> Facet:
    module, _, attribute = name.partition(":")
    try:
        found = getattr(__import__(module, fromlist=[attribute]), attribute)
    except Exception as error:
        raise FacetError(name, "import", f"{type(error).__name__}: {error}") from error
    if not isinstance(found, Facet):
        raise FacetError(name, "import", f"is a {type(found).__name__}, not a Facet")
    return found


def resolve(names: Iterable[str] | None = None) -> list[Facet]:
    """Give the facets of those names, or all built-in ones, in the table's order."""
    return [get(name) for name in (BUILTIN if names is None else names)]
