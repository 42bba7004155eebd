"""`run --carry` and `--seed`: each task has what held at its submit, and draws by its index."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness import Finished, Observed

PROGRAM = "declared_tasks.py"
BACKENDS = ("fork", "spawn", "forkserver", "futures", "loky", "joblib-loky")
MORE = ("joblib-multiprocessing", "billiard", "pebble", "mpire")
TENANTS = ("ada", "bob", "eve")


@pytest.fixture(params=[*BACKENDS, *MORE])
def backend(request: pytest.FixtureRequest) -> str:
    """Each backend that is installed."""
    name = str(request.param)
    if name not in ("fork", "spawn", "forkserver", "futures"):
        pytest.importorskip(name.partition("-")[0])
    return name


def test_a_reused_worker_has_what_each_task_was_submitted_with(
    backend: str, run_observed: Callable[..., Observed]
) -> None:
    """Two workers, three tenants by turns: nobody's task has another's; and nothing is found."""
    seen = run_observed(PROGRAM, "state", backend, "2", options=("--carry", "contextvars,decimal"))
    assert seen.document["faults"] == [], seen.document["faults"]
    assert seen.printed == [[[name, 10 + n]] * 3 for n, name in enumerate(TENANTS)]
    assert seen.codes == []
    changed = [c for task in seen.tasks for c in task["changes"] if c["facet"] == "decimal"]
    assert changed == [], "a task is said to have left behind what it was given"


@pytest.mark.parametrize("name", ["futures", "spawn", "loky", "pebble"])
def test_threads_that_share_a_pool_have_each_their_own(
    name: str, run_observed: Callable[..., Observed]
) -> None:
    """What is carried is the submitting thread's, whichever worker has the task."""
    if name in ("loky", "pebble"):
        pytest.importorskip(name)
    options = ("--carry", "contextvars,decimal")
    seen = run_observed(PROGRAM, "threads", name, "2", options=options)
    assert seen.document["faults"] == [], seen.document["faults"]
    assert seen.printed == {str(n): [[[name, 10 + n]]] * 5 for n, name in enumerate(TENANTS)}


def drawn(run: Callable[..., Observed], backend: str, workers: int) -> Any:
    """Give what the tasks draw with that many workers, and chunks of another size."""
    seen = run(PROGRAM, "draw", backend, str(workers), options=("--seed", "42"))
    assert seen.document["faults"] == [], seen.document["faults"]
    return seen.printed


def test_an_item_draws_the_same_however_many_workers_and_chunks_there_are(
    backend: str, run_observed: Callable[..., Observed]
) -> None:
    """By call and index alone (by its arguments with mpire); no two tasks draw the same."""
    two, three = drawn(run_observed, backend, 2), drawn(run_observed, backend, 3)
    assert two == three
    numbers = flat(two)
    assert len(set(numbers)) == len(numbers)


def flat(found: Any) -> list[int]:
    """Give the numbers in lists of lists."""
    return [n for each in found for n in flat(each)] if isinstance(found, list) else [found]


@pytest.mark.parametrize("name", BACKENDS)
def test_the_numbers_are_those_of_a_spec(name: str, run_observed: Callable[..., Observed]) -> None:
    """As `Executor` with `WorkerSpec(seed=42)` draws them: the root, the call, the index."""
    if name not in ("fork", "spawn", "forkserver", "futures"):
        pytest.importorskip(name.partition("-")[0])
    import random

    from workerstate.seeds import Stream

    first, second, _ = drawn(run_observed, name, 2)
    for call, numbers in enumerate((first, second)):
        streams = [Stream(42, call, index) for index in range(8)]
        expected = [random.Random(stream.number("random")).randrange(10**9) for stream in streams]
        assert numbers == expected


@pytest.mark.parametrize("name", ["spawn", "futures", "loky", "joblib-loky"])
def test_tracebacks_stay_as_they_are(
    name: str, run_observed: Callable[..., Observed], run_plain: Callable[..., Finished]
) -> None:
    """A task that fails in a chunk prints what it prints without us."""
    if name in ("loky", "joblib-loky"):
        pytest.importorskip(name.partition("-")[0])
    if name == "joblib-loky" and sys.version_info >= (3, 14):
        pytest.importorskip("psutil", reason="loky 3.6 can't kill its workers without it here")
    plain = run_plain(PROGRAM, "refuse", name, "2")
    options = ("--carry", "contextvars,decimal", "--seed", "1", "-q")
    seen = run_observed(PROGRAM, "refuse", name, "2", options=options)
    assert plain.exit_code == seen.exit_code == 1
    assert plain.stderr.strip() in seen.stderr
    assert "workerstate/" not in plain.stderr


LATER = """
import contextvars, decimal, threading
from concurrent.futures import ProcessPoolExecutor

held = contextvars.ContextVar("held")

def have(_):
    return decimal.getcontext().prec

if __name__ == "__main__":
    decimal.getcontext().prec = 11
    with ProcessPoolExecutor(1) as pool:
        print(pool.submit(have, 0).result())
        decimal.getcontext().prec = 12
        held.set(threading.Lock())
        print(pool.submit(have, 0).result())
        held.set(1)
        print(pool.submit(have, 0).result())
"""


def test_what_cannot_be_carried_later_is_told(
    tmp_path: Any, run_observed: Callable[..., Observed]
) -> None:
    """The task runs with what its worker has, and the summary says that and why."""
    script = tmp_path / "later.py"
    script.write_text(LATER)
    seen = run_observed(str(script), options=("--carry", "decimal,__main__:held"))
    assert seen.stdout.split() == [b"11", b"11", b"12"]
    (row,) = seen.document["not_observed"]
    assert "tasks without what was declared as of their submit" in row["reason"]
    assert "__main__:held" in row["reason"] or "lock" in row["reason"], json.dumps(row)
