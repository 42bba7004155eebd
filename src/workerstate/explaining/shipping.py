"""How one backend would send a task: watched, weighed, and looked up in a fresh interpreter."""

from __future__ import annotations

import os
import re
import sys
import time
from typing import Any

from workerstate.explaining import elsewhere, imports
from workerstate.explaining.calls import late_imports
from workerstate.explaining.deadline import within
from workerstate.explaining.functions import function_of, sent_function
from workerstate.explaining.picklers import MAPPED_FROM, Backend
from workerstate.explaining.remedies import remedy
from workerstate.explaining.tracing import Sink, Tracer, watch
from workerstate.explaining.values import Refusal, Shipping
from workerstate.program import user_modules
from workerstate.report.words import size as size_of

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
LIMIT_S = 20.0  # for pickling, which runs other people's code


def ship(backend: Backend, task: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Shipping:
    """Say how ``backend`` would send that call."""
    payload = (task, args, kwargs)
    notes: list[str] = []
    tracer, overdue = watch(backend, payload, LIMIT_S)
    size: int | None = None
    refusals: list[Refusal] = []
    if overdue is None:
        size, refusals = _weigh(backend, payload, tracer, notes)
    else:
        notes.append(f"{overdue}: not pickled within {LIMIT_S:g} s; what follows was not seen")
        refusals = _refusals(tracer)
    function = function_of(task)
    known = [function] if function is not None else []
    needs = imports.Needs(tracer.references, late_imports(tracer.functions + known), main_module())
    cost = imports.try_out(backend, needs)
    refusals += cost.refusals
    notes += [*_by_value_notes(tracer), *_mapped_note(tracer), *cost.notes]
    sent = sent_function(task)
    moved = elsewhere.differences(backend, sent, tracer, LIMIT_S) if sent else ()
    return Shipping(
        backend.name,
        backend.pickler,
        tracer.by,
        None if refusals else size,
        tuple(tracer.parts),
        tuple(row for row in cost.imports if row.modules or row.error),
        tuple(refusals),
        moved,
        tuple(notes),
    )


def main_module() -> dict[str, str] | None:
    """Give how a spawned worker would load this program's main module; None if it can't."""
    main = sys.modules["__main__"]
    name = getattr(getattr(main, "__spec__", None), "name", None)
    if name is not None:
        return {"init_main_from_name": name}
    path = getattr(main, "__file__", None)
    return {"init_main_from_path": os.path.abspath(path)} if path else None


def _weigh(
    backend: Backend, payload: Any, tracer: Tracer, notes: list[str]
) -> tuple[int | None, list[Refusal]]:
    """Have the backend's own pickler decide: the size, or what it refuses."""
    sink = Sink(time.monotonic() + LIMIT_S)
    try:
        if not within(LIMIT_S, lambda: backend.make(sink).dump(payload)):
            notes.append(f"the whole was not pickled within {LIMIT_S:g} s")
            return None, _refusals(tracer)
    except Exception as error:
        return None, _refused(tracer, error)
    except SystemExit as error:  # of a reducer's
        return None, _refused(tracer, error)
    notes += [f"{path}: not looked into ({_words(error)})" for path, error in tracer.refusals]
    return sink.size, []


def _refused(tracer: Tracer, error: BaseException) -> list[Refusal]:
    """Give the refusals; the first is the one that the real pickler tells in its own words."""
    found = _refusals(tracer)
    first = _refusal(found[0].path if found else "task", error)
    return [first, *found[1:]]


def _refusals(tracer: Tracer) -> list[Refusal]:
    return [_refusal(path, error) for path, error in tracer.refusals]


def _refusal(path: str, error: BaseException) -> Refusal:
    words = _words(error)
    return Refusal(path, words, remedy(words))


def _words(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # an error of the program's may not even be able to say what it is
        text = ""
    return f"{type(error).__name__}: {_ADDRESS.sub('', text)}"


def _by_value_notes(tracer: Tracer) -> list[str]:
    """Say which modules are not imported though functions of theirs are sent."""
    homes = {function.__module__ for function in tracer.functions} & user_modules().keys()
    missing = homes - {"__main__"} - {module for module, _ in tracer.references}
    return [
        f"a function of {home} goes by value, so the worker does not import {home} for it: what "
        "importing it does (logging, registration) does not happen there"
        for home in sorted(missing)
    ]


def _mapped_note(tracer: Tracer) -> list[str]:
    if not tracer.mapped:
        return []
    return [
        f"arrays above {MAPPED_FROM >> 20} MiB ({size_of(tracer.mapped)} in all) are not in the "
        "pickle: joblib writes each to a file once per call, and workers map it"
    ]
