"""Generators that the parent seeds, and that are not seeded so in its workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workerstate.audit.units import SEEDERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workerstate.audit.case import Case
    from workerstate.audit.finding import Inherited

# The library's module -> the facet of its generator.
_MODULES = {"numpy.random": "numpy", "random": "random"}
_SEED = ("seed", "set_state", "setstate")
# Functions there that draw nothing from the module's own generator.
_NO_DRAWS = {*_SEED, "get_state", "getstate", "default_rng"}


def findings(case: Case) -> Iterator[Inherited]:
    """Give the generators that the task draws from and only the parent's code seeds."""
    if case.request["task"] in SEEDERS:
        return
    for module, facet in _MODULES.items():
        if case.target == "fork" and module != "random":
            continue  # it is copied; Python seeds its own anew after a fork
        at = _draw(case, module)
        seeds = case.places.outside(module, (), case.followed)
        if at is None or not seeds or _seeds_itself(case, module):
            continue
        where = f"{seeds[-1].path}:{seeds[-1].line}"
        yield case.finding(
            "stream",
            f"{facet}:seed",
            f"{module} is seeded at {where}, in the parent only, and {case.request['task']} draws "
            f"from it: in a {case.target} worker the numbers are others in each run",
            parent="seeded",
            worker="seeded by chance",
            read=at,
            set_=where,
            reason="seed each task: WorkerSpec(seed=...) and workerstate.rng()",
        )


def _draw(case: Case, module: str) -> str | None:
    said = {**case.reads["calls"], **{n: rows[0][1] for n, rows in case.reads["library"].items()}}
    for name, at in said.items():
        home, _, function = name.rpartition(".")
        if home == module and function not in _NO_DRAWS and function.islower():
            return str(at)
    return None


def _seeds_itself(case: Case, module: str) -> bool:
    names = {f"{module}.{name}" for name in _SEED}
    return any(
        not names.isdisjoint((*reads["calls"], *reads["library"]))
        for reads in (case.first, case.reads)
    )
