"""Does a task give the same result in a worker that has run others as in a fresh one?

A sample of tasks is run in one worker, twice, each time in another order, and each once more in a
fresh process. What differs there is run in a second fresh process: a task that differs even from
itself (it reads the clock, or draws random numbers without a seed) says nothing of its worker.
"""

from __future__ import annotations

import random

from workerstate.purity_tasks import Outcome, facets, same, short, tell
from workerstate.values import Value
from workerstate.workerside import run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from workerstate.declared import Declared

PASSES = 2  # orders in which the used worker runs the sample
_MOST_SUSPECTS = 5


class Impure(Value):
    """One task that gave another result in a used worker than in a fresh one.

    Fields:
        index: of its item, among those that were given.
        item: in short.
        fresh: its result in a fresh worker, in short.
        used: its result in the used one.
        suspects: what had changed in the used worker before, in sentences.
    """

    index: int
    item: str
    fresh: str
    used: str
    suspects: tuple[str, ...]

    def __str__(self) -> str:
        said = f"item {self.index} ({self.item}): {self.fresh} when fresh, {self.used} when used"
        if not self.suspects:
            return said + "; nothing that was looked at had changed before"
        more = len(self.suspects) - _MOST_SUSPECTS
        named = "; ".join(self.suspects[:_MOST_SUSPECTS]) + (f"; and {more} more" * (more > 0))
        return f"{said}; changed before: {named}"


class Purity(Value):
    """What a sample of tasks says of a function; ``str()`` is a report.

    Fields:
        task: the function.
        sampled: how many items were tried.
        total: how many were given.
        differing: the tasks whose result depends on what ran in their worker before.
        unsteady: indices of tasks that differ between two fresh workers too.
        unknown: indices of tasks whose results can't be compared, or not be sent.
    """

    task: str
    sampled: int
    total: int
    differing: tuple[Impure, ...]
    unsteady: tuple[int, ...]
    unknown: tuple[int, ...]

    @property
    def pure(self) -> bool:
        """Whether no result was seen to depend on the worker."""
        return not self.differing

    def __str__(self) -> str:
        of = f"{self.sampled} tasks" if self.sampled == self.total else f"{self.sampled} sampled"
        head = f"{len(self.differing)} of {of} of {self.task} differ in a used worker"
        lines = [head + (":" if self.differing else "."), *(f"  {each}" for each in self.differing)]
        if self.unsteady:
            lines.append(
                f"{len(self.unsteady)} differ between fresh workers as well: {_list(self.unsteady)}"
            )
        if self.unknown:
            lines.append(f"{len(self.unknown)} could not be compared: {_list(self.unknown)}")
        return "\n".join(lines)


def examine(
    make: Callable[[str], Declared], fn: Callable[..., Any], items: Iterable[Any], sample: int
) -> Purity:
    """Run a sample of the tasks in a used worker and in fresh ones, and compare.

    Args:
        make: gives an executor of one worker for ``"never"``, of fresh ones for ``"task"``.
        fn: called with one item.
        items: what the tasks are called with.
        sample: how many of them to try at most.
    """
    from workerstate.drift.acting import task_name

    given = list(items)
    chance = random.Random(0)  # the same sample, in the same orders, each time
    chosen = sorted(chance.sample(range(len(given)), min(sample, len(given))))
    order = [index for _ in range(PASSES) for index in chance.sample(chosen, len(chosen))]
    with make("never") as pool:
        watched = facets(seeded=pool.spec.seed is not None)
        used = [*zip(order, _outcomes(pool, fn, given, order, watched), strict=True)]
    with make("task") as pool:
        fresh = dict(zip(chosen, _outcomes(pool, fn, given, chosen), strict=True))
        other = {at: o for at, o in used if _same(fresh[at], o) is not True}
        doubtful = sorted(other)
        again = dict(zip(doubtful, _outcomes(pool, fn, given, doubtful), strict=True))
    differing, unsteady, unknown = [], [], []
    for index in doubtful:
        steady = _same(fresh[index], again[index])
        used_one = other[index]
        if steady is None or _same(fresh[index], used_one) is None:
            unknown.append(index)
        elif not steady:
            unsteady.append(index)
        else:
            differing.append(
                Impure(
                    index, short(given[index]), fresh[index].text, used_one.text, used_one.suspects
                )
            )
    return Purity(
        task_name(fn), len(chosen), len(given), tuple(differing), tuple(unsteady), tuple(unknown)
    )


def _outcomes(
    pool: Declared,
    fn: Callable[..., Any],
    items: list[Any],
    order: list[int],
    watched: tuple[str, ...] = (),
) -> Iterator[Outcome]:
    """Give what came of each task: with the random numbers that its index has in the first call."""
    fleet = pool._fleet
    futures = [
        pool._submit(run, fleet.stamp(0, index), tell, (fn, items[index], watched), {})
        for index in order
    ]
    for future in futures:
        try:
            yield future.result()
        except Exception as error:  # the result can't be sent, or the worker has died
            yield Outcome("lost", None, f"{type(error).__name__}: {error}", ())


def _same(one: Outcome, other: Outcome) -> bool | None:
    if one.kind != other.kind:
        return False
    if one.kind == "lost":
        return None
    return one.text == other.text if one.kind == "raised" else same(one.value, other.value)


def _list(indices: tuple[int, ...]) -> str:
    return ", ".join(map(str, indices[:10])) + (", …" if len(indices) > 10 else "")
