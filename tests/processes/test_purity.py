"""Executor.purity: which results depend on what ran in their worker before."""

from __future__ import annotations

import importlib.util
import pickle

import purity_work
import pytest

from workerstate import Executor, SpecError, WorkerSpec
from workerstate.executor import PROCESSES

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@pytest.fixture(scope="module")
def executor():
    """One that no task is given to directly, so that it starts no worker but its template."""
    with Executor(2, spec=WorkerSpec(seed=3), start_method="fork") as pool:
        yield pool


def need(*names):
    for name in names:
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")


@pytest.mark.parametrize("method", PROCESSES)
def test_each_start_method_has_fresh_workers(method):
    """What a global keeps shows under each, with the item, both results and the suspect."""
    if method == "loky":
        need("loky")
    with Executor(2, start_method=method) as pool:
        found = pool.purity(purity_work.remembers, [10, 20, 30])
    assert (found.sampled, found.total, found.pure) == (3, 3, False)
    first = found.differing[0]
    assert (first.index, first.item, first.fresh) == (0, "10", "1")
    assert first.used in ("2", "3")
    assert any("purity_work.CACHE" in suspect for suspect in first.suspects)
    assert "3 of 3 tasks of purity_work.remembers differ in a used worker" in str(found)
    assert pickle.loads(pickle.dumps(found)) == found


def test_the_suspect_is_named(executor):
    """A decimal context that another task has changed is what is said, and nothing else."""
    found = executor.purity(purity_work.divides, range(4))
    assert {index.index for index in found.differing} == {0, 1, 2, 3}
    assert found.differing[0].suspects == ("decimal: prec: 28 -> 7",)
    assert found.differing[0].used == "Decimal('0.3333333')"


@pytest.mark.parametrize("task", ["doubles", "not_a_number", "draws", "fails"])
def test_a_pure_task_is_pure(executor, task):
    """NaN equals NaN, seeded numbers belong to the task, and the same exception is a result."""
    found = executor.purity(getattr(purity_work, task), range(5))
    assert found.pure
    assert (found.unsteady, found.unknown) == ((), ())
    assert str(found) == f"0 of 5 tasks of purity_work.{task} differ in a used worker."


@pytest.mark.parametrize(
    ("task", "library", "pure"),
    [("array", "numpy", True), ("used_array", "numpy", False), ("frame", "pandas", True)],
)
def test_arrays_and_frames_are_compared_exactly(executor, task, library, pure):
    """One number in fifty thousand is a difference; NaN in the same place is none."""
    need(library)
    assert executor.purity(getattr(purity_work, task), range(1, 3)).pure is pure


def test_an_exception_is_a_result(executor):
    """A task that fails only in a used worker differs."""
    found = executor.purity(purity_work.fails_when_used, range(3))
    assert found.differing[0].used == "LookupError: not the first"


def test_what_is_never_the_same_is_not_blamed_on_the_worker(executor):
    """A task that reads the clock differs between fresh workers too."""
    found = executor.purity(purity_work.asks_the_clock, range(3))
    assert found.pure
    assert found.unsteady == (0, 1, 2)
    assert "3 differ between fresh workers as well: 0, 1, 2" in str(found)


@pytest.mark.parametrize("task", [purity_work.locks])
def test_what_cannot_be_compared_is_said(executor, task):
    """A result that can't be sent is neither equal nor different."""
    found = executor.purity(task, range(2))
    assert found.pure
    assert found.unknown == (0, 1)


def test_a_sample_is_the_same_each_time(executor):
    """Of many items some are tried; they are spread, and no other ones the next time."""
    runs = [executor.purity(purity_work.remembers, range(100), sample=5) for _ in range(2)]
    assert runs[0] == runs[1]
    assert (runs[0].sampled, runs[0].total) == (5, 100)
    assert max(each.index for each in runs[0].differing) > 20


def test_who_has_no_fresh_workers_says_so():
    """Threads share their process, so nothing can be compared."""
    with (
        Executor(1, start_method="thread") as pool,
        pytest.raises(SpecError, match="no fresh workers"),
    ):
        pool.purity(purity_work.doubles, [1])
