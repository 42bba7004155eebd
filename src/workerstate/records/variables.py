"""The carried context variables of a worker, as they were when a record was made.

The filters of the parent's handlers run in the thread that reads, in a context of no task. So each
record brings the values along, and is handled in a context that holds them and nothing else.
"""

from __future__ import annotations

import marshal

from workerstate.values import UNSET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _contextvars import Context, ContextVar
    from collections.abc import Iterable
    from typing import Any

# The field of a record in which they travel; who handles it takes it off first.
FIELD = "_workerstate.variables"

# As in ``baggage``: what marshal leaves as it is.
_PLAIN = frozenset({str, int, float, bool, bytes, type(None)})

# By the names under which the parent knows them; empty where the spec carries none.
carried: dict[str, ContextVar[Any]] = {}

# What ``context`` was asked for last, and its answer, if all that it holds is plain.
_last: tuple[bytes, Context] | None = None


def carry(names: Iterable[str]) -> None:
    """Send the variables of those names, and no others, with each record from here on.

    Those that this process lacks are left out.
    """
    global carried
    found: dict[str, ContextVar[Any]] = {}
    for name in names:
        from workerstate.facets.contextvars import known

        variable = known(name)
        if variable is not None:
            found[name] = variable
    carried = found


def now() -> dict[str, bytes]:
    """Give the field that holds what the carried variables hold in this context.

    What isn't plain is pickled each time, as it may have changed inside; what doesn't pickle is
    left out.
    """
    plain: dict[str, object] = {}
    packed: dict[str, bytes] = {}
    for name, variable in carried.items():
        value = variable.get(UNSET)
        if type(value) in _PLAIN:
            plain[name] = value
        elif value is not UNSET:
            import pickle

            try:
                packed[name] = pickle.dumps(value, 5)
            except Exception:
                pass
    return {FIELD: marshal.dumps((plain, packed), 4)}


def context(field: bytes) -> Context:
    """Give a new context that holds what ``now`` has told of the worker's.

    A variable that this process lacks, or whose value can't be loaded, is left out.
    """
    global _last
    last = _last
    if last is not None and last[0] == field:
        return last[1].copy()
    import pickle
    from _contextvars import Context

    from workerstate.facets.contextvars import known

    made = Context()
    plain, packed = marshal.loads(field)
    for name, value in (*plain.items(), *packed.items()):
        variable = known(name)
        if variable is None:
            continue
        try:
            made.run(variable.set, pickle.loads(value) if name in packed else value)
        except Exception:
            pass
    if not packed:
        _last = (field, made.copy())
    return made
