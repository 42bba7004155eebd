"""What all tests share: programs run under observation, and a check that no process is left."""

from __future__ import annotations

import ctypes
import sys
from typing import TYPE_CHECKING

import pytest

from harness import Runner, left_behind, living
from workerstate.executor import PROCESSES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness import Finished, Observed

_PR_SET_CHILD_SUBREAPER = 36


@pytest.fixture(scope="session", autouse=True)
def _adopt_orphans() -> None:
    """Become the parent of processes whose parent ends, so that they stay descendants."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


@pytest.fixture(autouse=True)
def no_process_left(_adopt_orphans: None) -> Iterator[None]:
    """Fail a test after which a process of its own goes on."""
    before = living()
    yield
    left = left_behind(before)
    if left:
        pytest.fail(f"processes were left behind:\n{left}")


@pytest.fixture(scope="session")
def runner(tmp_path_factory: pytest.TempPathFactory, _adopt_orphans: None) -> Runner:
    """Give the runner of programs."""
    return Runner(tmp_path_factory.mktemp("programs"))


@pytest.fixture(scope="session")
def run_observed(runner: Runner) -> Callable[..., Observed]:
    """Give the function that runs a program under observation."""
    return runner.observed


@pytest.fixture(scope="session")
def run_plain(runner: Runner) -> Callable[..., Finished]:
    """Give the function that runs a program without us."""
    return runner.plain


@pytest.fixture(params=PROCESSES)
def method(request: pytest.FixtureRequest) -> str:
    """Each start method of an Executor that makes processes, if its library is installed."""
    if request.param == "loky":
        pytest.importorskip("loky")
    return str(request.param)


@pytest.fixture(scope="module", params=["fork", "spawn", "forkserver"])
def start_method(request: pytest.FixtureRequest) -> str:
    """Each start method of multiprocessing."""
    return str(request.param)
