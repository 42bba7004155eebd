"""The cheap look at a process: a tuple that moves when common state moves, in about 3 us."""

from __future__ import annotations

import os
import sys
from _thread import _count as thread_count
from os import getcwd as os_getcwd

# The facet that each place of the tuple stands for.
FACETS = ("logging", "warnings", "environ", "cwd", "sys_path", "threads", "limits")


def look() -> tuple[object, ...]:
    """Read counts and identities of what is cheap to read."""
    logging, warnings = sys.modules.get("logging"), sys.modules.get("warnings")
    try:
        cwd = os_getcwd()
    except OSError:
        cwd = ""
    logs: tuple[object, ...] = ()
    if logging is not None:
        root = logging.root
        manager = root.manager
        logs = (
            tuple(map(id, root.handlers)),
            root.level,
            manager.disable,
            len(manager.loggerDict),
            # Handlers of any logger that are alive.
            len(logging._handlerList),
        )
    return (
        logs,
        len(warnings.filters) if warnings is not None else 0,
        hash(tuple(os.environ._data.items())),  # type: ignore[attr-defined]
        cwd,
        len(sys.path),
        thread_count(),
        sys.getrecursionlimit(),
    )


def moved(before: tuple[object, ...], after: tuple[object, ...]) -> list[str]:
    """Name the facets whose place in two looks differs."""
    return [name for name, a, b in zip(FACETS, before, after, strict=False) if a != b]
