"""Processes: our own executor is observed like any other pool, its template as what it is."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness import Observed

PROGRAM = """
import sys
from workerstate import Executor
def work(x):
    return x
if __name__ == "__main__":
    with Executor(2, start_method=sys.argv[1], clean=sys.argv[2]) as pool:
        print(sum(future.result() for future in [pool.submit(work, x) for x in range(6)]))
"""


@pytest.mark.parametrize("clean", ["never", "task"])
@pytest.mark.parametrize("method", ["template", "fork", "spawn", "forkserver", "loky"])
def test_each_task_and_worker_is_told(
    method: str, clean: str, run_observed: Callable[..., Observed]
) -> None:
    """Each task once, workers by their start method; a template and its forks are no workers."""
    if method == "loky" and importlib.util.find_spec("loky") is None:
        pytest.skip("loky is not installed")
    seen = run_observed(PROGRAM, method, clean)
    assert seen.stdout == b"15\n"
    assert {worker["start_method"] for worker in seen.workers} == {method}
    assert {worker["backend"] for worker in seen.workers} == {"workerstate"}
    told = [task["function"] for worker in seen.workers for task in worker["tasks"]]
    assert told == ["__main__:work"] * 6
    most = max(len(worker["tasks"]) for worker in seen.workers)
    if clean == "task":
        assert most == 1
        assert 6 <= len(seen.workers) <= 6 + 4  # those that stood by
    else:
        assert len(seen.workers) == 2
    helpers = [helper["kind"] for helper in seen.document["helpers"]]
    assert helpers.count("template") == (method == "template")


STALE = """
import decimal, sys
from workerstate import Executor
def third(x):
    return decimal.Decimal(x) / 3
if __name__ == "__main__":
    decimal.getcontext().prec = 4
    with Executor(1, start_method=sys.argv[1]) as pool:
        print(len(str(pool.submit(third, 1).result())))
"""


@pytest.mark.parametrize("method", ["template", "spawn", "forkserver"])
def test_what_a_worker_lacks_is_told(method: str, run_observed: Callable[..., Observed]) -> None:
    """Workers of a template are compared with the parent as those of other start methods are."""
    seen = run_observed(STALE, method)
    assert seen.stdout == b"30\n"
    assert seen.codes == ["WS102"]
    assert "decimal" in str(seen.document["findings"])
