"""Processes: what a task leaves in a reused worker, and what it leaves running."""

from __future__ import annotations

import leaving_tasks as tasks
import pytest

from harness import gone
from workerstate import DriftError, Executor, WorkerSpec, WorkerStartError

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@pytest.mark.parametrize("name", tasks.CHANGES)
def test_a_later_task_is_seen(name):
    """What a task changes is seen at once, though the function was clean twice before."""
    if name in ("pandas", "matplotlib", "sklearn"):
        pytest.importorskip(name)
    with Executor(1, spec=WorkerSpec(drift="error"), start_method="spawn") as pool:
        found = [pool.submit(tasks.changes, name, n, 4).exception(30) for n in range(6)]
    assert [type(each) for each in found].index(DriftError) == 4
    assert [each for each in found if each is not None] == [found[4]]


def test_threads_that_are_about_to_end_are_no_drift():
    """A task that has waited for its thread pool leaves nothing, though a thread lingers."""
    with Executor(2, spec=WorkerSpec(drift="error"), start_method="template") as pool:
        assert list(pool.map(tasks.short_threads, range(200), chunksize=1)) == [6] * 200
        assert pool.drifts() == []


def test_open_files_are_counted_every_few_tasks():
    """A limit on them acts before a program has run out of them."""
    spec = WorkerSpec(drift={"fds": ("retire", 30)})
    with Executor(1, spec=spec, start_method="template") as pool:
        most = max(pool.submit(tasks.leaves_files, 10).result(30) for _ in range(40))
    assert most < 200


@pytest.mark.parametrize("clean", ["never", "call", "task"])
def test_a_process_that_a_task_forks_is_no_worker(method, clean):
    """What it returns or raises is nobody's result, and it ends."""
    with Executor(1, start_method=method, clean=clean) as pool:
        for _ in range(2):
            assert pool.submit(tasks.comes_back_twice, 1).result(30) == 0
            assert pool.submit(tasks.copy_raises, 7).result(30) == 7
        assert list(pool.map(tasks.good, range(5))) == [0, 1, 4, 9, 16]


@pytest.mark.parametrize("clean", ["never", "task"])
@pytest.mark.parametrize("method", ["template", "fork"])
def test_a_pool_that_a_task_leaves_ends_with_its_worker(method, clean):
    """Its workers are told: else they would outlive the program."""
    with Executor(1, start_method=method, clean=clean) as pool:
        inner = pool.submit(tasks.keeps_a_pool, 1).result(30)
    assert gone(inner)


@pytest.mark.parametrize("clean", ["never", "task"])
def test_any_exception_of_an_initializer_is_told(method, clean):
    """Also one that is no Exception: with its words, and once."""
    spec = WorkerSpec(initializer=tasks.halts)
    with (
        Executor(1, start_method=method, clean=clean, spec=spec) as pool,
        pytest.raises(WorkerStartError, match="the licence server said no") as raised,
    ):
        pool.submit(tasks.good, 1).result(30)
    assert type(raised.value.__cause__) is tasks.Halt
