"""Processes: whatever a task does, it fails alone and is named, and the executor goes on."""

from __future__ import annotations

import functools
import gc
import os
import time
import warnings

import engine_tasks as tasks
import pytest

from workerstate import (
    Executor,
    Resource,
    ResultError,
    SlowStartWarning,
    TaskPicklingError,
    TaskReadError,
    TaskTimeoutError,
    WorkerDiedError,
    WorkerSpec,
    WorkerStartError,
)
from workerstate.engine import starts

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
DEATHS = {
    "_exit": "exit code 3",
    "kill": "killed by SIGKILL",
    "segfault": "killed by SIGSEGV",
}
# What is called, with what, and the error that it must be.
CALL = {
    "raise": (tasks.act, "raise", ValueError, "^no such thing$"),
    **{each: (tasks.act, each, WorkerDiedError, text) for each, text in DEATHS.items()},
    "sys.exit": (tasks.act, "sys.exit", WorkerDiedError, r"called sys\.exit\(5\)"),
    "overflow": (
        tasks.act,
        "overflow",
        (RecursionError, WorkerDiedError),
        "recursion|SIGSEGV|[Ss]tack overflow",
    ),
    "hog": (tasks.act, "hog", MemoryError, "^$"),
}
UNPICKLE = {
    "raise": (tasks.good, tasks.Acts("raise"), TaskReadError, "ValueError: no such thing"),
    "sys.exit": (tasks.good, tasks.Acts("sys.exit"), TaskReadError, "SystemExit: 5"),
    **{
        each: (tasks.good, tasks.Acts(each), WorkerDiedError, text) for each, text in DEATHS.items()
    },
}
RESULT = {
    "lock": (tasks.give_lock, None, ResultError, "returned a lock"),
    "raised lock": (tasks.raise_lock, None, ResultError, r"raised ValueError: \('locked'"),
    "raised odd": (tasks.raise_odd, None, ResultError, "raised OddError: odd"),
    "raise": (tasks.give_acting, "raise", ResultError, "ValueError: no such thing"),
    "sys.exit": (tasks.give_acting, "sys.exit", ResultError, "SystemExit: 5"),
    **{each: (tasks.give_acting, each, WorkerDiedError, text) for each, text in DEATHS.items()},
    "read here": (tasks.give_acts, "raise", ResultError, "ValueError: no such thing"),
    "exit here": (tasks.give_acts, "sys.exit", ResultError, "SystemExit: 5"),
}
PICKLE = {
    "raise": (tasks.good, tasks.ActsWhenPickled("raise"), TaskPicklingError, "no such thing"),
    "lock": (tasks.good, tasks.give_lock(), TaskPicklingError, "cannot pickle.*lock"),
}
PHASES = {"pickle": PICKLE, "unpickle": UNPICKLE, "call": CALL, "result": RESULT}
HANGS = {
    "unpickle": (tasks.good, tasks.Acts("hang")),
    "call": (tasks.act, "hang"),
    "result": (tasks.give_acting, "hang"),
}


def descriptors():
    for _ in range(3):  # what a finalizer lets go of is garbage of the next time
        gc.collect()
    return sorted(filter(None, map(_target, os.listdir("/proc/self/fd"))))


def _target(fd):
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return None


def check(pool, cells):
    """Run all of them, each between two good tasks; all good ones succeed, each other as told."""
    futures, good = {}, []
    for name, (call, what, *_) in cells.items():
        good.append(pool.submit(tasks.good, len(good)))
        futures[name] = pool.submit(call, *([] if what is None else [what]))
        good.append(pool.submit(tasks.good, len(good)))
    found = {name: each.exception(60) for name, each in futures.items()}
    assert [each.result(60) for each in good] == [n * n for n in range(len(good))]
    for name, (call, _, kind, text) in cells.items():
        with pytest.raises(kind, match=text):
            raise found[name]
        if isinstance(found[name], (WorkerDiedError, TaskReadError, ResultError)):
            assert f"engine_tasks.{call.__name__}" in str(found[name])
            assert "(pid " in str(found[name])
    assert list(pool.map(tasks.good, range(5))) == [0, 1, 4, 9, 16]


def of(*phases):
    return {f"{phase} {name}": cell for phase in phases for name, cell in PHASES[phase].items()}


@pytest.mark.parametrize("clean", ["never", "task"])
def test_a_fault_is_its_tasks_alone(method, clean):
    """Each fault is one stated error; all other tasks complete; nothing stays open."""
    # A start for each task takes long where it is not a fork.
    quick = method in ("template", "fork")
    cells = of(*PHASES) if quick else of("call") if clean == "never" else of("pickle", "result")
    check_all({}, 1, start_method=method)
    before = descriptors()
    check_all(cells, 2, start_method=method, clean=clean)
    after = descriptors()
    assert len(after) <= len(before), after


def check_all(cells, size, **kwargs):
    with Executor(size, **kwargs) as pool:
        check(pool, cells)


def test_tasks_behind_many_deaths_complete(method):
    """However many of a packet's tasks end their worker, those behind them are run."""
    with Executor(1, start_method=method) as pool:
        list(pool.map(tasks.good, range(200), chunksize=1))  # so that it knows: they are short
        go = [pool.submit(tasks.good, 1) for _ in range(150)]
        bad = [pool.submit(tasks.act, "_exit") for _ in range(6)]
        good = [pool.submit(tasks.good, n) for n in range(100)]
        assert {type(each.exception(60)) for each in bad} == {WorkerDiedError}
        assert {each.result(60) for each in go} == {1}
        assert [each.result(60) for each in good] == [n * n for n in range(100)]


def test_a_death_is_told_while_nurseries_are_replaced():
    """When settings change, workers that wait with the old ones still answer for their task."""
    spec = WorkerSpec(carry=["engine_tasks:OPTIONS"])
    with Executor(1, start_method="template", clean="task", spec=spec) as pool:
        for step in range(12):
            tasks.OPTIONS["step"] = step
            bad = pool.submit(tasks.act, ("kill", "_exit", "raise")[step % 3])
            good = pool.submit(tasks.step)
            with pytest.raises((WorkerDiedError, ValueError), match=r"SIGKILL|code 3|no such"):
                bad.result(20)
            assert good.result(20)[0] == step
    tasks.OPTIONS["step"] = 0


@pytest.mark.parametrize("clean", ["never", "task"])
def test_a_hang_ends_at_its_timeout(method, clean):
    """A task that hangs, also while it is read or its result pickled, is killed in time."""
    with Executor(3, start_method=method, clean=clean, timeout=0.4) as pool:
        futures = [pool.submit(call, what) for call, what in HANGS.values()]
        for future, (call, _) in zip(futures, HANGS.values(), strict=True):
            with pytest.raises(TaskTimeoutError, match=f"{call.__name__}.*timeout of 0.4 s"):
                future.result(30)
        assert pool.submit(tasks.good, 3).result(30) == 9


def test_a_map_names_the_item_that_dies(method):
    """Of a chunk the item that kills its worker fails, those beside it succeed."""
    with Executor(2, start_method=method) as pool:
        results = pool.map(leave_at_five, range(8), chunksize=8)
        assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
        with pytest.raises(WorkerDiedError, match=r"leave_at_five \(item 5\).*exit code 3"):
            next(results)
        assert list(pool.map(leave_at_five, [6, 7], chunksize=2)) == [6, 7]


def leave_at_five(item):
    if item == 5:
        tasks.leave()
    return item


@pytest.mark.parametrize("clean", ["never", "task"])
def test_a_fault_at_exit_changes_no_result(method, clean):
    """What a task left for the end of its worker may fail: its result stands, others too."""
    with Executor(2, start_method=method, clean=clean) as pool:
        faults = ("raise", "_exit", "kill", "segfault", "sys.exit")
        for future in [pool.submit(tasks.act_at_exit, fault) for fault in faults]:
            assert future.result(30) != os.getpid()
        assert list(pool.map(tasks.good, range(5))) == [0, 1, 4, 9, 16]


@pytest.mark.parametrize("clean", ["never", "task"])
def test_a_hang_at_exit_holds_nothing_up(method, clean):
    """Workers that don't end are killed: other tasks and the shutdown go on."""
    spec = WorkerSpec(initializer=tasks.little_patience)
    with Executor(1, start_method=method, clean=clean, spec=spec) as pool:
        for _ in range(3):
            assert pool.submit(tasks.act_at_exit, "hang").result(30) != os.getpid()
        assert pool.submit(tasks.good, 3).result(30) == 9


STARTS = {
    "raise": "no such thing",
    "_exit": "exit code 3|died at this step",
    "kill": "signal 9|died at this step",
    "segfault": "signal 11|died at this step",
    "sys.exit": "SystemExit|5",
}


@pytest.mark.parametrize("clean", ["never", "task"])
@pytest.mark.parametrize("fault", STARTS)
def test_a_start_that_fails_is_told_once(method, clean, fault, tmp_path):
    """A failing initializer is WorkerStartError for every task, and is not tried for ever."""
    path = tmp_path / "starts"
    spec = WorkerSpec(initializer=functools.partial(tasks.act_counted, str(path), fault))
    with Executor(1, start_method=method, clean=clean, spec=spec) as pool:
        for _ in range(3):
            with pytest.raises(WorkerStartError, match=STARTS[fault]):
                pool.submit(tasks.good, 1).result(30)
    assert len(path.read_text()) <= 5


@pytest.mark.parametrize("clean", ["never", "task"])
def test_a_start_that_hangs_is_ended(method, clean):
    """With start_timeout, a start that is not over fails all tasks, and says what it was at."""
    hang = functools.partial(tasks.act, "hang")
    spec = WorkerSpec(initializer=hang)
    if method == "template" and clean == "task":  # in its workers, not in the template itself
        spec = WorkerSpec(resources={"own": Resource(hang)})
    step = "'own'" if spec.resources else "initializer"
    with Executor(1, start_method=method, clean=clean, spec=spec, start_timeout=3) as pool:
        first, second = pool.submit(tasks.good, 1), pool.submit(tasks.good, 2)
        for future in (first, second):
            with pytest.raises(WorkerStartError, match=rf"{step}.*3 s \(start_timeout\)"):
                future.result(30)
        with pytest.raises(WorkerStartError, match="start_timeout"):
            pool.submit(tasks.good, 3)


def is_starting(engine):
    with engine.lock:
        return bool(list(engine.source.starting()))


@pytest.mark.parametrize("clean", ["never", "task"])
def test_a_start_that_is_over_is_let_be(method, clean, monkeypatch):
    """Its limit is for starts: workers that wait for a task may do so for as long as they like."""
    spec = WorkerSpec(resources={"own": Resource(dict)})
    with Executor(1, start_method=method, clean=clean, spec=spec, start_timeout=60) as pool:
        assert pool.submit(tasks.good, 2).result(30) == 4
        engine, end = pool._engine, time.monotonic() + 30
        while is_starting(engine):
            assert time.monotonic() < end
            time.sleep(0.01)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            with monkeypatch.context() as later:
                later.setattr(starts, "monotonic", lambda: time.monotonic() + 100)
                engine.places.starts._look()
            assert pool.submit(tasks.good, 3).result(30) == 9
    assert SlowStartWarning not in [each.category for each in told]


@pytest.mark.parametrize("method", ["template", "fork"])
def test_a_later_start_that_hangs_is_ended(method, tmp_path):
    """So is the start of a worker that takes the place of one that has died."""
    path = str(tmp_path / "started")
    spec = WorkerSpec(resources={"own": Resource(functools.partial(tasks.hang_again, path))})
    with Executor(1, start_method=method, spec=spec, start_timeout=3) as pool:
        assert pool.submit(tasks.good, 2).result(30) == 4
        time.sleep(3.5)  # the look after the first start is over
        with pytest.raises(WorkerDiedError):
            pool.submit(tasks.act, "kill").result(30)
        with pytest.raises(WorkerStartError, match=r"'own'.*start_timeout"):
            pool.submit(tasks.good, 3).result(30)


@pytest.mark.parametrize("of_its_own", [False, True])
def test_a_slow_start_is_told_of(method, of_its_own, monkeypatch):
    """A start that takes long warns, once, with what it is at; then its tasks run."""
    monkeypatch.setattr("workerstate.engine.starts.SLOW", 1.0)
    slow = functools.partial(time.sleep, 2)
    spec = WorkerSpec(initializer=slow)
    if of_its_own:
        spec = WorkerSpec(resources={"own": Resource(slow)})
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with Executor(1, start_method=method, spec=spec) as pool:
            assert pool.submit(tasks.good, 2).result(30) == 4
            time.sleep(1.1)  # a start that is over is not told of
    slowly = [each.message for each in told if each.category is SlowStartWarning]
    assert len(slowly) == 1
    assert "start_timeout" in str(slowly[0])
    assert slowly[0].args[2] in ("the initializer", "resource 'own'", starts._EARLY)


@pytest.mark.parametrize("clean", ["never", "task"])
@pytest.mark.parametrize("fault", ["raise", "_exit", "kill"])
def test_a_resource_that_cannot_be_opened_is_told(clean, fault):
    """What a worker of the template opens for itself may fail, or end it: the tasks say so."""
    spec = WorkerSpec(resources={"own": Resource(functools.partial(tasks.act, fault))})
    with (
        Executor(2, clean=clean, spec=spec, start_method="template") as pool,
        # Where nothing can be read of its start, it is said that it never began the task.
        pytest.raises((WorkerStartError, WorkerDiedError), match=r"'own'|before they began it"),
    ):
        pool.submit(tasks.good, 1).result(30)


FORGOTTEN = """
import os, sys, time
sys.path.insert(0, {tests!r})
import engine_tasks as tasks
from workerstate import Executor

if __name__ == "__main__":
    for clean in ("never", "task"):
        with Executor(2, start_method={method!r}, clean=clean) as pool:
            calls = [(len, bytes(1 << 20)), (tasks.act, "kill"), (bytes, 1 << 20)]
            futures = [pool.submit(*call) for call in calls]
            print([type(each.exception(30)).__name__ for each in futures])
"""


def test_nothing_is_left_on_disk(method, run_plain, tmp_path):
    """After deaths with data under way, nothing is in the folder for temporary files."""
    source = FORGOTTEN.format(tests=os.path.dirname(__file__), method=method)
    done = run_plain(source, env={"TMPDIR": str(tmp_path)})
    assert done.exit_code == 0, done.stderr
    assert done.stdout.count(b"['NoneType', 'WorkerDiedError', 'NoneType']") == 2
    end = time.monotonic() + 10
    while os.listdir(tmp_path) and time.monotonic() < end:  # helpers of others end after us
        time.sleep(0.01)
    assert os.listdir(tmp_path) == []


SURROUNDED = """
import asyncio, os, signal, socket, sys, time
from workerstate import Executor, WorkerSpec
def wait(n):
    time.sleep(0.3)
    return n
def stop(n):
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(5)
async def served(pool):
    told = []
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.append, "told")
    try:
        await asyncio.get_running_loop().run_in_executor(pool, stop, 1)
    except Exception as error:
        print(type(error).__name__, "SIGTERM" in str(error), told)
if __name__ == "__main__":
    socket.setdefaulttimeout(0.1)
    spec = WorkerSpec(set={"limits": {"socket_timeout": 0.1}})
    for clean in ("never", "task"):
        with Executor(2, spec=spec, start_method=sys.argv[1], clean=clean) as pool:
            print(list(pool.map(wait, range(3))))
            time.sleep(0.3)
            print(list(pool.map(wait, range(3))))
    async def main():
        with Executor(1, start_method=sys.argv[1], clean="task") as pool:
            await served(pool)
    asyncio.run(main())
"""


def test_what_surrounds_the_engine_is_not_its_own(method, run_plain):
    """The program's timeout for sockets and its event loop's signals: neither is for workers."""
    done = run_plain(SURROUNDED, method)
    expected = 4 * b"[0, 1, 2]\n" + b"WorkerDiedError True []\n"
    assert done.stdout == expected, done.stderr
    assert "Error" not in done.stderr  # since 3.12 a fork beside threads is warned of


def test_in_a_forked_process_it_says_so(method):
    """A process that was forked from the executor's has no workers; it is told, and waits not."""
    with Executor(1, start_method=method) as pool:
        assert pool.submit(tasks.good, 2).result(30) == 4
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            for call in (pool.submit, pool.map):
                try:
                    call(tasks.good, [1])
                except RuntimeError as error:
                    os.write(writing, str(error).encode() + b";")
            os._exit(0)
        os.waitpid(pid, 0)
        told = os.read(reading, 1000).split(b";")
        os.close(reading)
        os.close(writing)
        assert [b"forked from" in each for each in told[:-1]] == [True, True]
        assert pool.submit(tasks.good, 3).result(30) == 9
