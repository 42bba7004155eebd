"""Runs sampled calls again, in a fresh worker, and compares what comes of them.

Nothing of the program's is unpickled outside of such a worker, which has the program's main module
as multiprocessing gives it to a spawned one: under another name, so that it does not run as main.
"""

from __future__ import annotations

import pickle

from workerstate.fingerprint import describe_value, set_salt, set_values
from workerstate.observe import samples
from workerstate.purity_tasks import changed, facets, same, short

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from workerstate.observe.samples import Row

    # How it ended (``returned``, ``raised``), and with what.
    Outcome = tuple[str, Any]
    # JSON: what is known of one call that was run again.
    Found = dict[str, Any]

_shows: list[bool] = []  # whether values may be shown


class Begin:
    """Makes a fresh worker one of the program's.

    Args:
        surroundings: what ``multiprocessing.spawn.prepare`` takes: path, arguments, main module.
        salt: the key of the hashes that stand for values.
        values: whether values may be shown.
    """

    def __init__(self, surroundings: dict[str, Any], salt: str, values: bool) -> None:
        self.surroundings, self.salt, self.values = surroundings, salt, values

    def __call__(self) -> None:
        """Load the main module, which must not start processes meanwhile."""
        from multiprocessing import process, spawn

        set_salt(bytes.fromhex(self.salt))
        set_values(self.values)
        _shows[:] = [self.values]
        current: Any = process.current_process()
        current._inheriting = True
        try:
            spawn.prepare(self.surroundings)
        finally:
            del current._inheriting


def fresh(path: str, index: int, keep: str, other: str | None = None) -> Found:
    """Run one call of a worker's, after what its pool called first.

    Args:
        path: the worker's samples.
        index: which of them.
        keep: where the outcome goes.
        other: where that of another fresh worker is, with which it is to be compared too.
    """
    rows = samples.read(path)
    row = rows[index]
    try:
        _start(rows)
        function, args, kwargs = pickle.loads(row[3])
        theirs = pickle.loads(row[4])
    except Exception as error:
        return {"reason": refused(error)}
    ours = _outcome(function, args, kwargs)
    try:
        data = samples.dumps(ours)
        with open(keep, "wb") as file:
            file.write(data)
        ours = pickle.loads(data)
    except Exception as error:
        return {"reason": f"their results can't be pickled when fresh ({type(error).__name__})"}
    found: Found = {"as_program": _same(ours, theirs), "fresh": _said(ours), "used": _said(theirs)}
    if other is not None:
        with open(other, "rb") as file:
            found["steady"] = _same(ours, pickle.loads(file.read()))
    return found


def used(path: str, wanted: dict[int, str]) -> dict[int, Found]:
    """Run a worker's calls one after the other, and compare some with those of fresh workers.

    Args:
        path: the worker's samples.
        wanted: which to compare, and where the outcome in a fresh worker is.
    """
    rows = samples.read(path)
    _start(rows)
    watched = facets(seeded=False)
    changed(watched)
    found: dict[int, Found] = {}
    for index, row in enumerate(rows[: max(wanted) + 1]):
        if row[0] == samples.START or not row[3]:
            continue
        suspects = changed(watched) if index in wanted else ()
        ours = _outcome(*pickle.loads(row[3]))
        if index in wanted:
            with open(wanted[index], "rb") as file:
                alone = pickle.loads(file.read())
            ours = pickle.loads(samples.dumps(ours))
            found[index] = {
                "as_fresh": _same(ours, alone),
                "as_program": _same(ours, pickle.loads(row[4])),
                "suspects": list(suspects),
            }
    return found


def refused(error: Exception) -> str:
    """Say why a call can't be run again."""
    return f"a fresh worker can't run them ({type(error).__name__}: {str(error)[:200]})"


def _start(rows: list[Row]) -> None:
    if rows[0][0] == samples.START:
        if rows[0][5]:
            raise TypeError(f"its initializer {rows[0][2]} can't be pickled")
        function, args, kwargs = pickle.loads(rows[0][3])
        function(*args, **kwargs)


def _outcome(function: Any, args: Any, kwargs: Any) -> Outcome:
    try:
        return "returned", function(*args, **kwargs)
    except Exception as error:
        return "raised", samples.told(error)


def _same(one: Outcome, other: Outcome) -> bool | None:
    return one[0] == other[0] and same(one[1], other[1])


def _said(outcome: Outcome) -> str:
    kind, value = outcome
    if kind == "raised":
        return f"raised {value if _shows[0] else value.partition(':')[0]}"
    return short(value) if _shows[0] else describe_value(value)
