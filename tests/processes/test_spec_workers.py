"""Processes: numbers, records, ends and left-overs of workers of a spec."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing as mp
import os
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ProcessPoolExecutor, wait
from pathlib import Path

import pytest
import spec_workers

from workerstate import Executor, WorkerDiedError, WorkerSpec, WorkerStartError

INITIALIZER = "the initializer"
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@pytest.fixture
def records():
    got = []

    class Collect(logging.Handler):
        def emit(self, record):
            got.append(record.getMessage())

    handler = Collect()
    logging.root.addHandler(handler)
    yield got
    logging.root.removeHandler(handler)


def test_a_replacement_takes_the_number(start_method):
    """The workers that replace others have their numbers, however many there were."""
    ctx = WorkerSpec().multiprocessing(start_method)
    with ctx.Pool(2, maxtasksperchild=1) as pool:
        found = pool.map(spec_workers.number, range(8), chunksize=1)
        pool.close()
        pool.join()
    assert {number for number, _ in found} <= {0, 1}
    assert len({pid for _, pid in found}) == 8


def test_two_pools_number_their_own(start_method):
    """Each pool's workers count from 0, also while another pool with the spec is open."""
    spec = WorkerSpec()
    with (
        Executor(1, spec=spec, start_method=start_method) as one,
        Executor(1, spec=spec, start_method=start_method) as two,
    ):
        numbers = [pool.submit(spec_workers.number).result(30)[0] for pool in (one, two)]
    assert numbers == [0, 0]


def test_the_last_words_of_a_killed_worker_arrive(start_method, records):
    """A record logged before a SIGKILL is handled, and the task's end is told."""
    spec = WorkerSpec(carry=["logging"])
    with Executor(1, spec=spec, start_method=start_method) as pool:
        future = pool.submit(spec_workers.log_and_die, 1)
        with pytest.raises(WorkerDiedError):
            future.result(30)
    assert records == ["last words 1"]


def test_an_initializer_that_sets_up_logging_does_not_take_the_records(start_method, records):
    """Handlers that a worker's initializer adds are put aside: the parent's stay the writers."""
    spec = WorkerSpec(carry=["logging"], initializer=spec_workers.start_up)
    with (
        Executor(1, spec=spec, start_method=start_method) as pool,
        pytest.raises(WorkerDiedError),
    ):
        pool.submit(spec_workers.log_and_die, 2).result(30)
    assert records == ["last words 2"]


def test_what_workers_print_is_carried(start_method, capsys):
    """With ``stdio`` what a worker prints is written by the parent's own streams."""
    with Executor(1, spec=WorkerSpec(carry=["stdio"]), start_method=start_method) as pool:
        pool.submit(spec_workers.shout, 3).result(30)
    captured = capsys.readouterr()
    assert captured.out == "said 3\n"
    assert captured.err == "native\n"


@pytest.mark.parametrize("method", ["template", "fork", "spawn"])
def test_what_several_workers_print_at_once_is_whole_lines(method, capsys):
    """Each worker has pipes of its own, those that were forked from a template too."""
    with Executor(2, spec=WorkerSpec(carry=["stdio"]), start_method=method) as pool:
        list(pool.map(spec_workers.say_in_pieces, range(40), chunksize=1))
    lines = capsys.readouterr().out.splitlines()
    assert sorted(lines) == sorted(f"begin {n} end {n}" for n in range(40))


def test_an_aborted_start_is_not_held_against_the_next(start_method):
    """Pools that are ended while their workers start don't make a later start fail."""
    slow = WorkerSpec(initializer=spec_workers.slow_start)
    for _ in range(4):
        with mp.get_context(start_method).Pool(1, initializer=slow):
            while ("starting", INITIALIZER) not in {
                (each.state, each.step) for each in slow.starts()
            }:
                time.sleep(0.005)
    assert {report.state for report in slow.starts()} == {"stopped"}
    assert {report.attempt for report in slow.starts()} == {1}


def test_a_failing_initializer_of_the_pools_own_is_told(start_method):
    """An initializer given to the context's Pool fails as the spec's own does."""
    ctx = WorkerSpec().multiprocessing(start_method)
    with (
        ctx.Pool(1, initializer=os.stat, initargs=("/no/such/file",)) as pool,
        pytest.raises(WorkerStartError, match="/no/such/file"),
    ):
        pool.apply_async(os.getpid).get(30)


POOLS = {
    "Pool": lambda context, spec: context.Pool(2, initializer=spec),
    "ProcessPoolExecutor": lambda context, spec: ProcessPoolExecutor(2, context, spec),
    "pebble": lambda context, spec: _library("pebble").ProcessPool(
        2, initializer=spec, context=context
    ),
}


def _library(name):
    return pytest.importorskip(name)


@pytest.mark.parametrize("kind", POOLS)
def test_a_task_that_is_not_bound_is_refused_too(start_method, kind, tmp_path):
    """A bare initializer that fails answers each task with its error; none is run."""
    spec = WorkerSpec(initializer=_missing)
    mark = str(tmp_path / "ran")
    with POOLS[kind](mp.get_context(start_method), spec) as pool:
        for _ in range(3):
            with pytest.raises(WorkerStartError, match=r"en\.bin"):
                _submit(pool, spec_workers.touch, mark)
    assert not os.path.exists(mark)


def test_loky_refuses_what_is_not_bound_too(tmp_path):
    """So do loky's workers, which would else be said to lack memory."""
    loky = pytest.importorskip("loky")
    spec = WorkerSpec(initializer=_missing)
    mark = str(tmp_path / "ran")
    with loky.ProcessPoolExecutor(1, initializer=spec) as pool:
        for _ in range(2):
            with pytest.raises(WorkerStartError, match=r"en\.bin"):
                pool.submit(spec_workers.touch, mark).result(30)
    assert not os.path.exists(mark)


def _submit(pool, fn, argument):
    if hasattr(pool, "apply_async"):
        return pool.apply_async(fn, (argument,)).get(30)
    if hasattr(pool, "schedule"):
        return pool.schedule(fn, args=(argument,)).result(30)
    return pool.submit(fn, argument).result(30)


def test_a_start_that_ends_the_process_is_told(start_method):
    """The executor says at which step its worker died, whoever took its number since."""
    for _ in range(5):
        spec = WorkerSpec(initializer=spec_workers.die)
        with (
            Executor(2, spec=spec, start_method=start_method) as pool,
            pytest.raises(WorkerStartError, match="the initializer: the process died"),
        ):
            pool.submit(os.getpid).result(30)


# Under fork the workers die while tasks are submitted, for which older Pythons' pools aren't safe:
# their thread iterates over what submit adds to.
@pytest.mark.parametrize("start_method", ["spawn", "forkserver"])
def test_every_task_is_told_why_the_workers_died(start_method):
    """Where a start ends the process, all that wait for it are told so, and at once."""
    spec = WorkerSpec(initializer=spec_workers.die)
    with Executor(2, spec=spec, start_method=start_method) as pool:
        futures = []
        with contextlib.suppress(WorkerStartError):  # which submit raises once the pool is broken
            futures += [pool.submit(os.getpid) for _ in range(50)]
        for future in futures:
            with pytest.raises(WorkerStartError, match="the process died at this step"):
                future.result(30)
        with pytest.raises(WorkerStartError):
            pool.submit(os.getpid)


def test_a_future_is_cancelled_as_any_other():
    """A task that waits can be cancelled, one that runs can't."""
    with Executor(1, spec=WorkerSpec(), start_method="thread") as pool:
        started, go_on = threading.Event(), threading.Event()
        running = pool.submit(lambda: (started.set(), go_on.wait(30)))
        waiting = pool.submit(os.getpid)
        started.wait(30)
        assert waiting.cancel()
        assert running.running()
        assert not running.cancel()
        go_on.set()
    assert wait([running, waiting]).not_done == set()


def test_chunks_do_not_change_the_numbers(start_method):
    """A task goes by its own index, however many travel together."""
    drawn = []
    for chunk in (1, 2, 5, 20):
        with Executor(2, spec=WorkerSpec(seed=3), start_method=start_method) as pool:
            drawn.append(list(pool.map(spec_workers.draw, range(9), chunksize=chunk)))
        with WorkerSpec(seed=3).multiprocessing(start_method).Pool(2) as pool:
            drawn.append(pool.map(spec_workers.draw, range(9), chunk))
            pool.close()
            pool.join()
    assert drawn[1:] == drawn[:-1]
    assert len(set(drawn[0])) == 9


def test_a_task_that_is_run_again_draws_the_same(start_method):
    """A retry, in whatever worker, has the numbers of the first attempt."""
    bound = WorkerSpec(seed=3).bind(spec_workers.draw, key="user 7")
    with ProcessPoolExecutor(2, mp_context=mp.get_context(start_method)) as pool:
        drawn = [pool.submit(bound).result(30) for _ in range(3)]
    assert len(set(drawn)) == 1


def test_a_process_that_can_not_start_is_told_at_join(start_method):
    """``join`` of a process raises what kept it from starting; its target is not run."""
    ctx = WorkerSpec(initializer=_missing).multiprocessing(start_method)
    process = ctx.Process(target=os._exit, args=(77,))
    process.start()
    with pytest.raises(WorkerStartError, match=r"en\.bin"):
        process.join(30)


def _missing():
    raise FileNotFoundError("en.bin")


def test_unbound_tasks_of_new_pools_draw_other_numbers(start_method):
    """With a bare initializer each worker draws from a stream that no earlier one had."""
    spec = WorkerSpec(seed=4)
    drawn = []
    for _ in range(3):
        with mp.get_context(start_method).Pool(1, initializer=spec) as pool:
            drawn.append(tuple(pool.map(spec_workers.draw, range(3))))
    assert len(set(drawn)) == 3


def test_a_worker_of_another_process_of_workers_works():
    """A worker can have a pool of its own with the same spec."""
    with ProcessPoolExecutor(1, mp_context=mp.get_context("spawn")) as pool:
        assert pool.submit(_nested).result(60) == [0, 0]


def _nested():
    with Executor(1, spec=WorkerSpec(carry=["warnings"]), start_method="spawn") as pool:
        return [number for number, _ in pool.map(spec_workers.number, range(2))]


SCRIPT = """
import os, sys
import workerstate, spec_workers

if __name__ == "__main__":
    spec = workerstate.WorkerSpec(carry=["logging", "warnings"])
    pool = workerstate.Executor(1, spec=spec, start_method=sys.argv[1])
    pool.submit(os.getpid).result()
    print(os.listdir(os.environ["TMPDIR"]), flush=True)
    {end}
"""


@pytest.mark.parametrize("end", ["pool.shutdown()", "pass", "raise SystemExit(3)"])
def test_nothing_is_left_in_the_temporary_directory(start_method, end, tmp_path):
    """However a program ends by itself, its folders are gone."""
    made, _ = _run(start_method, end, tmp_path)
    assert "workerstate-start-" in made
    left = [each.name for each in tmp_path.iterdir() if "workerstate" in each.name]
    assert left == []


def test_what_a_killed_parent_leaves_goes_with_the_next(start_method, tmp_path):
    """A folder whose process was killed is removed when the next one makes its own."""
    _run(start_method, "os.killpg(0, 9)", tmp_path)
    assert any("workerstate-start-" in each.name for each in tmp_path.iterdir())
    _run(start_method, "pool.shutdown()", tmp_path)
    assert [each.name for each in tmp_path.iterdir() if "workerstate" in each.name] == []


def _run(start_method, end, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SCRIPT).format(end=end))
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    done = subprocess.run(
        [sys.executable, script, start_method],
        env={**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        start_new_session=True,
    )
    return done.stdout, done.returncode
