"""Laws: what an Executor promises, for each start method and each ``clean``."""

from __future__ import annotations

import asyncio
import decimal
import functools
import importlib.util
import logging
import os
import threading
import time
from concurrent.futures import CancelledError, as_completed, wait

import executor_tasks as tasks
import pytest

from harness import left_behind, living
from workerstate import (
    Executor,
    Resource,
    ResultError,
    TaskPicklingError,
    TaskTimeoutError,
    WorkerDiedError,
    WorkerSpec,
)

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
METHODS = ("template", "fork", "spawn", "forkserver", "loky")
WAYS = [(method, clean) for method in METHODS for clean in ("never", "call", "task")]
# Where a fresh worker is an interpreter of its own it takes a fifth of a second: laws that make
# many of them leave those out.
QUICK = [each for each in WAYS if each[1] == "never" or each[0] in ("template", "fork")]
CARRY = ["logging", "decimal", "executor_tasks:OPTIONS"]


@pytest.fixture(autouse=True, scope="module")
def no_process_left(_adopt_orphans):
    """Fail the module, not each test: workers that are made anew are those of its pools."""
    before = living()
    yield
    assert not left_behind(before)


@pytest.fixture(
    scope="module",
    params=[*WAYS, ("thread", "never"), ("inline", "never")],
    ids="-".join,
)
def way(request):
    if request.param[0] == "loky" and importlib.util.find_spec("loky") is None:
        pytest.skip("loky is not installed")
    return request.param


def executor(way, size=2, **more):
    return Executor(size, start_method=way[0], clean=way[1], **more)


quick_ways = pytest.mark.parametrize(
    "way", [*QUICK, ("thread", "never"), ("inline", "never")], indirect=True, ids="-".join
)


@pytest.fixture(scope="module")
def pool(way):
    with executor(way) as made:
        yield made


@pytest.fixture
def processes(way):
    if way[0] in ("thread", "inline"):
        pytest.skip("nothing is sent to another process")


@pytest.fixture
def apart(way):
    if way[0] == "inline":
        pytest.skip("a submit returns when the task has ended")


@pytest.fixture(scope="module")
def declared(way):
    """Give an executor with a spec, and the numbers that its first call drew."""
    resources = {
        "shared": Resource(os.getpid, shared=True),
        "own": Resource(os.getpid),
    }
    with executor(way, spec=WorkerSpec(carry=CARRY, seed=5, resources=resources)) as made:
        yield made, list(made.map(tasks.draw, range(3)))


@pytest.fixture(autouse=True)
def _own_state():
    context = decimal.getcontext().copy()
    yield
    decimal.setcontext(context)
    tasks.log.setLevel(logging.NOTSET)
    tasks.OPTIONS["mode"] = "from the file"


def started(path):
    """Wait until ``wait_for(path)`` runs."""
    end = time.monotonic() + 20
    while not os.path.exists(f"{path}.begun"):
        assert time.monotonic() < end
        time.sleep(0.005)


def test_arguments_and_keywords_arrive(pool):
    """A task is called as submit was."""
    assert pool.submit(tasks.together, 1, two=2).result(20) == ((1,), {"two": 2})


@quick_ways
@pytest.mark.parametrize("chunksize", [None, 1, 2])
def test_map_keeps_the_order(pool, chunksize):
    """Results come in the order of the items, whichever task ends first."""
    kwargs = {} if chunksize is None else {"chunksize": chunksize}
    assert list(pool.map(tasks.later_first, range(5), timeout=20, **kwargs)) == [*range(5)]


@quick_ways
def test_map_runs_each_item_once(pool, way, tmp_path):
    """What is taken back from one worker for another is not run by both."""
    rounds = 60 if way[1] == "never" else 1
    for number in range(rounds):
        list(pool.map(tasks.times, [str(tmp_path / f"{number}-{item}") for item in range(4)]))
    assert [each.stat().st_size for each in tmp_path.iterdir()] == [1] * 4 * rounds


@quick_ways
def test_map_takes_several_iterables_to_the_shortest(pool):
    """As the built-in map: one argument from each, until one is used up."""
    assert list(pool.map(pow, [2, 3, 4], [5, 2])) == [32, 9]
    assert list(pool.map(pow, [], [])) == []


@quick_ways
def test_map_reads_as_far_as_its_buffer_allows(pool):
    """With ``buffersize`` an endless iterable can be mapped."""
    import itertools

    results = pool.map(abs, itertools.count(-1), buffersize=2)
    assert [next(results) for _ in range(3)] == [1, 0, 1]
    results.close()


@quick_ways
def test_map_gives_what_came_before_a_failure(pool):
    """The error of an item is raised in its place; those before it are given."""
    results = pool.map(tasks.fail, range(4))
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(KeyError, match="no 2"):
        next(results)


@quick_ways
def test_map_gives_up_in_time(pool, apart, tmp_path):
    """A result that is not there after ``timeout`` is a TimeoutError, and the pool goes on."""
    path = str(tmp_path / "go")
    results = pool.map(tasks.wait_for, [path], timeout=0.05)
    with pytest.raises(TimeoutError if hasattr(asyncio, "timeout") else Exception):
        next(results)
    (tmp_path / "go").touch()
    assert pool.submit(abs, -1).result(20) == 1


def test_an_error_has_the_traceback_of_its_worker(pool, processes):
    """What a task raises is raised by ``result``, the worker's traceback its cause."""
    error = pool.submit(tasks.fail, 2).exception(20)
    assert type(error) is KeyError
    assert "executor_tasks.py" in str(error.__cause__)


def test_what_cannot_be_pickled_is_named(pool, processes):
    """Argument, result and exception fail their task alone, with an error that names it."""
    argument = pool.submit(tasks.together, threading.Lock())
    result, raised, odd = map(pool.submit, (tasks.give_lock, tasks.raise_lock, tasks.raise_odd))
    good = pool.submit(abs, -2)
    for future, kind, name, word in (
        (argument, TaskPicklingError, "together", "lock"),
        (result, ResultError, "give_lock", "returned a lock"),
        (raised, ResultError, "raise_lock", "raised ValueError: ('locked'"),
        (odd, ResultError, "raise_odd", "raised OddError: odd"),
    ):
        error = future.exception(20)
        assert type(error) is kind
        assert f"executor_tasks.{name}" in str(error)
        assert word in str(error)
    assert good.result(20) == 2


@quick_ways
def test_in_map_only_what_cannot_be_sent_fails(pool, processes):
    """Of a chunk, the item whose result can't be pickled fails; the others are given."""
    results = pool.map(lambda item: threading.Lock() if item == 1 else item, range(3), chunksize=3)
    assert next(results) == 0
    with pytest.raises(ResultError, match="returned a lock"):
        next(results)


@quick_ways
def test_in_map_only_what_cannot_be_sent_to_a_worker_fails(pool, processes):
    """Of a chunk, an item that can't be pickled fails, and no worker is given it; others run."""
    items = [-1, threading.Lock(), -3]
    results = pool.map(tasks.together, items, chunksize=3)
    assert next(results) == next(iter(pool.map(tasks.together, [-1])))
    with pytest.raises(TaskPicklingError, match=r"executor_tasks\.together.*lock.*explain"):
        next(results)
    again = pool.map(tasks.together, [-3, threading.Lock()], chunksize=2)
    assert next(again) == next(iter(pool.map(tasks.together, [-3])))


def test_what_waits_can_be_cancelled(pool, apart, tmp_path):
    """A task that no worker has taken is cancelled; one that runs is not."""
    paths = [str(tmp_path / f"go{n}") for n in range(2)]
    running = [pool.submit(tasks.wait_for, path, path) for path in paths]
    for path in paths:
        started(path)
    waiting = pool.submit(abs, 1)
    assert waiting.cancel()
    assert not running[0].cancel()
    for path in paths:
        open(path, "w").close()
    assert [each.result(20) for each in running] == paths
    with pytest.raises(CancelledError):
        waiting.result(20)


@quick_ways
def test_shutdown_without_waiting_cancels_what_waits(way, apart, tmp_path):
    """What has begun goes on, what waits is cancelled if asked for, nothing more is taken."""
    path = str(tmp_path / "go")
    made = executor(way, 1)
    running = made.submit(tasks.wait_for, path, 4)
    started(path)
    waiting = made.submit(abs, 1)
    made.shutdown(wait=False, cancel_futures=True)
    assert waiting.cancelled()
    with pytest.raises(RuntimeError, match="after shutdown"):
        made.submit(abs, 1)
    with pytest.raises(RuntimeError, match="after shutdown"):
        made.map(abs, [1])
    assert not running.done()
    open(path, "w").close()
    assert running.result(20) == 4
    made.shutdown()


@quick_ways
def test_the_end_of_with_waits_for_all(way):
    """At the end of ``with`` all tasks are done and all workers have gone; again is harmless."""
    before = living()
    with executor(way) as made:
        futures = [made.submit(tasks.later_first, item) for item in range(4)]
    assert [each.result(0) for each in futures] == [*range(4)]
    assert not set(living()) - set(before) - set(helpers())
    made.shutdown()


def helpers():
    """Give the processes of multiprocessing's and loky's own, which last."""
    return [key for key, command in living().items() if "tracker" in command or "fork" in command]


@quick_ways
def test_wait_and_as_completed_work(pool):
    """Futures are those of concurrent.futures."""
    futures = {pool.submit(abs, -n): n for n in range(4)}
    assert {futures[each]: each.result() for each in as_completed(futures, 20)} == {
        n: n for n in range(4)
    }
    assert not wait(futures, 20).not_done


@quick_ways
def test_asyncio_takes_it(pool):
    """``run_in_executor`` gives results and errors to coroutines."""

    async def main():
        loop = asyncio.get_running_loop()
        calls = [loop.run_in_executor(pool, tasks.fail, item) for item in (1, 2)]
        return await asyncio.gather(*calls, return_exceptions=True)

    good, bad = asyncio.run(main())
    assert good == 1
    assert isinstance(bad, KeyError)


@quick_ways
def test_any_callable_is_a_task(pool):
    """Lambdas, local functions, partials and bound methods run."""
    factor = 3

    def local(number):
        return factor * number

    calls = [lambda n: n + 1, local, functools.partial(pow, 2), tasks.Sent(40).add]
    assert [pool.submit(call, 2).result(20) for call in calls] == [3, 6, 4, 42]


@quick_ways
def test_threads_may_submit_at_once(pool):
    """Calls from many threads each get their own results."""
    found = {}

    def call(number):
        found[number] = list(pool.map(pow, [number] * 2, [1, 2]))

    threads = [threading.Thread(target=call, args=(number,)) for number in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(30)
    assert found == {n: [n, n * n] for n in range(4)}


@quick_ways
def test_what_is_big_arrives(pool):
    """Data beyond a packet's size goes there and back."""
    data = os.urandom(3 << 20)
    assert pool.submit(tasks.double, data).result(20) == data + data
    assert list(pool.map(tasks.double, [data[: 1 << 20]] * 3)) == [data[: 1 << 20] * 2] * 3


@quick_ways
def test_what_is_bigger_than_a_window_arrives(way, processes, monkeypatch):
    """Data that fits no window of the shared memory goes in a file of its own."""
    from workerstate.engine import payload

    spec = WorkerSpec(initializer=small_windows)
    monkeypatch.setattr(payload, "WINDOW", 1 << 16)
    data = os.urandom(1 << 18)
    with executor(way, 1, spec=spec) as made:
        futures = [made.submit(tasks.double, data) for _ in range(2)]
        assert [each.result(20) for each in futures] == [data + data] * 2
        assert list(made.map(tasks.double, [data, data], chunksize=2)) == [data + data] * 2


def small_windows():
    from workerstate.engine import payload

    payload.WINDOW = 1 << 16


@quick_ways
def test_arrays_are_the_tasks_own(pool, processes):
    """A task may change an array that it was given; the parent's is not touched."""
    numpy = pytest.importorskip("numpy")
    array = numpy.arange(1 << 17, dtype="f8")
    found = pool.submit(tasks.same_array, array).result(30)
    assert (found == array + 1).all()
    assert array[1] == 1
    assert found.flags.writeable


def test_state_is_that_of_each_submit(declared, way):
    """Each task sees the carried state as it was when it was submitted."""
    made, _ = declared
    futures, expected = [], []
    for step in range(3):
        decimal.getcontext().prec = 30 + step
        tasks.log.setLevel(15 + step)
        tasks.OPTIONS["mode"] = f"step {step}"
        expected.append(tasks.seen())
        futures.append(made.submit(tasks.seen))
        if way[0] == "thread":  # its tasks see the process's own level
            futures[-1].result(20)
    assert [each.result(20) for each in futures] == expected


def test_records_arrive_once(declared):
    """What tasks log is handled by the parent's handlers."""
    made, _ = declared
    got = []

    class Collect(logging.Handler):
        def emit(self, record):
            got.append(record.getMessage())

    handler = Collect()
    logging.root.addHandler(handler)
    try:
        list(made.map(tasks.say, range(4)))
        made._fleet.drain()
    finally:
        logging.root.removeHandler(handler)
    assert sorted(got) == [f"said {n}" for n in range(4)]


def test_numbers_are_the_same_on_all(declared, way):
    """A task's random numbers depend on the seed, the call and its index alone."""
    with Executor(1, start_method="inline", spec=WorkerSpec(seed=5)) as inline:
        expected = list(inline.map(tasks.draw, range(3)))
    if way[0] == "thread":  # the global generator is all threads'
        assert [own for own, _ in declared[1]] == [own for own, _ in expected]
    else:
        assert declared[1] == expected


def test_resources_are_opened_where_they_belong(declared, way):
    """A resource is its worker's own; a shared one the template's."""
    shared, own, here = declared[0].submit(tasks.opened).result(20)
    assert own == here
    assert (shared == here) == (way[0] != "template")


def test_each_worker_has_a_number(pool, way):
    """``worker()`` gives a number below the number of workers, and the start method."""
    found = list(pool.map(tasks.who, range(4)))
    assert {each.number for each in found} <= {0, 1}
    assert {each.start_method for each in found} == {way[0]}
    assert {each.parent_pid for each in found} == {os.getpid()}


def test_workers_are_as_fresh_as_asked_for(pool, way):
    """Workers serve all tasks, those of one call, or one, as ``clean`` says."""
    calls = [set(pool.map(tasks.pid, range(3), chunksize=1)) for _ in range(2)]
    if way[1] == "task":
        assert len(calls[0] | calls[1]) == 6
    elif way[1] == "call":
        assert not calls[0] & calls[1]
    else:
        assert len(calls[0] | calls[1]) <= 2


@quick_ways
def test_deaths_are_tried_again(way, processes, tmp_path):
    """A task whose worker dies is run ``retries`` times more, and then told."""
    paths = [str(tmp_path / f"count{n}") for n in range(3)]
    with executor(way, 2, retries=1) as made:
        once, never = made.submit(tasks.die_once, paths[0]), made.submit(tasks.die, paths[1])
        assert once.result(20) == "alive"
        with pytest.raises(WorkerDiedError, match=r"executor_tasks\.die: .* exit code 7"):
            never.result(20)
        assert made.submit(tasks.times, paths[2]).result(20) == 1
    assert [os.path.getsize(path) for path in paths] == [2, 2, 1]


@pytest.mark.parametrize("clean", ["never", "task"])
def test_what_took_too_long_is_tried_again(clean, tmp_path):
    """A task that was killed for its timeout has its ``retries`` too."""
    path = str(tmp_path / "count")
    with Executor(1, clean=clean, timeout=1.0, retries=1) as made:
        assert made.submit(tasks.hang_once, path).result(20) == "awake"


@quick_ways
def test_a_timeout_ends_its_task_alone(way, processes, tmp_path):
    """A task that runs longer than ``timeout`` is TaskTimeoutError; those beside it are not."""
    with executor(way, 2, timeout=0.4) as made:
        late = made.submit(tasks.wait_for, str(tmp_path / "never"))
        assert made.submit(abs, -1).result(20) == 1
        with pytest.raises(TaskTimeoutError, match=r"wait_for.*timeout of 0\.4 s"):
            late.result(20)
        assert made.submit(abs, -2).result(20) == 2


@pytest.mark.parametrize("clean", ["never", "task"])
@pytest.mark.parametrize("method", METHODS)
def test_a_module_on_a_path_of_later(method, clean, tmp_path, monkeypatch):
    """With sys_path carried, a worker finds a function's module where the parent has it now."""
    if method == "loky" and importlib.util.find_spec("loky") is None:
        pytest.skip("loky is not installed")
    name = f"found_late_{method}_{clean}"
    (tmp_path / f"{name}.py").write_text("def twice(x):\n    return 2 * x\n")
    spec = WorkerSpec(carry=["sys_path"])
    with Executor(1, spec=spec, start_method=method, clean=clean) as pool:
        assert pool.submit(abs, -1).result(30) == 1
        monkeypatch.syspath_prepend(tmp_path)
        twice = importlib.import_module(name).twice
        assert pool.submit(twice, 2).result(30) == 4
        assert list(pool.map(twice, [1, 2], timeout=30)) == [2, 4]
