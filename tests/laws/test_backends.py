"""Laws: what a spec promises, on every backend and start method."""

from __future__ import annotations

import decimal
import logging
import os
import warnings

import declared_tasks
import pytest
from ways import BOUND_BY_HAND, every_way, in_process, joblib, name, open_way, pool

from workerstate import Executor, Resource, WorkerSpec, WorkerStartError

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*multi-threaded, use of fork:DeprecationWarning",
    "ignore:.*fork.*:DeprecationWarning",
)


@pytest.fixture(autouse=True)
def _own_state():
    """Put back what these tests change in the parent."""
    logger = logging.getLogger("declared.tasks")
    context = decimal.getcontext().copy()
    with warnings.catch_warnings():
        yield
    decimal.setcontext(context)
    logger.setLevel(logging.NOTSET)
    declared_tasks.OPTIONS.clear()
    declared_tasks.OPTIONS["mode"] = "from the file"


@pytest.fixture
def records():
    """Collect what the parent's handlers get."""
    got = []

    class Collect(logging.Handler):
        def emit(self, record):
            got.append(record.getMessage())

    handler = Collect()
    logging.root.addHandler(handler)
    logging.getLogger("declared.tasks").setLevel(logging.INFO)
    yield got
    logging.root.removeHandler(handler)


CARRY = ["logging", "decimal", "declared_tasks:OPTIONS"]


@every_way
def test_the_first_task_finds_what_is_carried(way, method):
    """Levels, decimal context and module globals are the parent's from the first task on."""
    decimal.getcontext().prec = 41
    logging.getLogger("declared.tasks").setLevel(17)
    declared_tasks.OPTIONS["mode"] = "changed"
    with open_way(way, method, WorkerSpec(carry=CARRY), 2) as run:
        found = run(declared_tasks.seen, range(4))
    assert found == [(41, 17, {"mode": "changed"})] * 4


@every_way
def test_a_change_between_two_calls_reaches_every_worker(way, method):
    """Carried state is the parent's as of submit, in workers that have run tasks before too."""
    with open_way(way, method, WorkerSpec(carry=CARRY), 2) as run:
        run(declared_tasks.seen, range(4))
        decimal.getcontext().prec = 33
        logging.getLogger("declared.tasks").setLevel(33)
        declared_tasks.OPTIONS["mode"] = "second"
        found = run(declared_tasks.seen, range(6))
    assert found == [(33, 33, {"mode": "second"})] * 6


@every_way
def test_what_the_parent_gave_up_is_given_up(way, method):
    """A level that the parent no longer sets goes back to its default in reused workers."""
    logging.getLogger("declared.tasks").setLevel(17)
    with open_way(way, method, WorkerSpec(carry=["logging"]), 1) as run:
        run(declared_tasks.seen, range(2))
        logging.getLogger("declared.tasks").setLevel(logging.NOTSET)
        found = run(declared_tasks.seen, range(2))
    assert {level for _, level, _ in found} == {logging.root.level}


@every_way
def test_settings_that_are_given_hold(way, method):
    """``set=`` holds in every task, and not in the parent after the end."""
    before = declared_tasks.seen(0)
    given = {"decimal": {"prec": 12}, "declared_tasks:OPTIONS": {"mode": "given"}}
    with open_way(way, method, WorkerSpec(set=given), 2) as run:
        found = run(declared_tasks.seen, range(4))
    assert {(prec, options["mode"]) for prec, _, options in found} == {(12, "given")}
    if way not in BOUND_BY_HAND:
        assert declared_tasks.seen(0) == before


@every_way
def test_each_record_arrives_once(way, method, records):
    """What a task logs is handled once, by the parent's handlers."""
    spec = WorkerSpec(carry=["logging"])
    with open_way(way, method, spec, 2) as run:
        run(declared_tasks.say, range(8))
        spec._fleet.drain()
    assert sorted(records) == [f"item {number}" for number in range(8)]


@every_way
def test_seeds_depend_on_the_task_alone(way, method):
    """A task's numbers are the same whatever runs it, and differ between tasks and calls."""
    spec = WorkerSpec(seed=42)
    with Executor(1, spec=spec.replace(), start_method="inline") as inline:
        expected = [list(inline.map(declared_tasks.draw, range(7))) for _ in range(2)]
    with open_way(way, method, spec, 3) as run:
        calls = [run(declared_tasks.draw, range(7)) for _ in range(2)]
    own = [[numbers[0] for numbers in call] for call in calls]
    assert len(set(own[0] + own[1])) == 14
    if way in BOUND_BY_HAND:  # there a task goes by its argument
        return
    assert own == [[numbers[0] for numbers in call] for call in expected]
    if method not in ("thread", "threading"):  # where the global generators are all threads'
        assert calls == expected


@every_way
def test_the_parents_generators_go_on_undisturbed(way, method):
    """Tasks seed the generators of their worker, never the parent's own."""
    import random

    random.seed(7)
    expected = [random.Random(7).random()]
    with open_way(way, method, WorkerSpec(seed=1), 2) as run:
        run(declared_tasks.draw_own, range(3))
    assert [random.random()] == expected


def failing(what):
    if what == "initializer":
        return WorkerSpec(initializer=declared_tasks.missing_file), "en.bin"
    if what == "resource":
        return WorkerSpec(resources={"mark": Resource(declared_tasks.missing_file)}), "en.bin"
    if what == "preload":
        return WorkerSpec(preload=["no_such_module_anywhere"]), "no_such_module_anywhere"
    return WorkerSpec(set={"cwd": {"directory": "/no/such/place"}}), "/no/such/place"


@pytest.mark.parametrize("what", ["initializer", "resource", "facet", "preload"])
@every_way
@pytest.mark.timeout(60)
def test_a_failing_start_is_told(way, method, what, tmp_path):
    """A start that fails is WorkerStartError with the worker's own error, and no task is run."""
    spec, word = failing(what)
    mark = tmp_path / "ran"
    # joblib ends a multiprocessing pool at the first error, and a worker that is killed while it
    # tells of a second one leaves the lock of the results held: Pool.terminate() never returns.
    count = 1 if method == "multiprocessing" else 3
    with pytest.raises(WorkerStartError) as caught, open_way(way, method, spec, 2) as run:
        run(declared_tasks.touch, [str(mark)] * count)
    assert word in str(caught.value)
    assert word in str(caught.value.__cause__)
    assert not mark.exists()


@every_way
def test_workers_say_who_they_are(way, method):
    """``worker()`` gives a number below the number of workers, the start method and the parent."""
    with open_way(way, method, WorkerSpec(), 2) as run:
        found = run(declared_tasks.who, range(8))
    expected = {"threading": "thread", "sequential": "inline", "multiprocessing": "fork"}
    if not (way is joblib and method == "multiprocessing"):
        method = method.partition("/")[0]
        assert {each.start_method for each in found} == {expected.get(method, method)}
    assert {each.parent_pid for each in found} == {os.getpid()}
    assert {each.number for each in found} <= {0, 1}


@every_way
def test_resources_are_opened_once_and_closed(way, method, tmp_path, monkeypatch):
    """Each worker opens a resource once, holds it for all its tasks, and closes it at its end."""
    mark = tmp_path / "marks"
    monkeypatch.setenv("DECLARED_MARK", str(mark))
    spec = WorkerSpec(
        resources={"mark": Resource(declared_tasks.open_mark, declared_tasks.close_mark)},
        set={"environ": {"DECLARED_MARK": str(mark)}},
    )
    with open_way(way, method, spec, 2) as run:
        found = run(declared_tasks.held, range(6))
    assert all(opened == here for opened, here in found)
    lines = mark.read_text().split("\n")[:-1]
    opened = sorted(line[5:] for line in lines if line.startswith("open "))
    closed = sorted(line[6:] for line in lines if line.startswith("close "))
    if not in_process(method):
        assert len(set(opened)) == len(opened)
    assert set(closed) <= set(opened)
    # joblib ends its multiprocessing workers by a signal, pebble ends by one those that are busy.
    if name(way, method) != "joblib-multiprocessing" and not name(way, method).startswith("pebble"):
        assert closed == opened


def test_a_pool_says_why_its_workers_die(start_method):
    """A start that ends the process is told after three of them, not repeated for ever."""
    spec = WorkerSpec(initializer=declared_tasks.die)
    with (
        pytest.raises(WorkerStartError, match="died at this step"),
        open_way(pool, start_method, spec, 1) as run,
    ):
        run(declared_tasks.say, range(2))
