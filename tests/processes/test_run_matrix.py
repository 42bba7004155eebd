"""`workerstate run` over every backend and start method: each worker and each task is there."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness import Finished, Observed


class Scenario(NamedTuple):
    """A program of ``programs``, and what its workers are called."""

    program: str
    argument: str
    backend: str
    start_method: str
    failing: int | None  # the call whose task raises
    library: str | None = None

    def __str__(self) -> str:
        return f"{self.backend}-{self.start_method}"


DEFAULT = multiprocessing.get_context().get_start_method()

SCENARIOS = [
    *(
        Scenario("matrix_multiprocessing.py", method, "multiprocessing", method, 4)
        for method in ("fork", "spawn", "forkserver")
    ),
    *(
        Scenario("matrix_executors.py", method, "futures", method, 3)
        for method in ("fork", "spawn", "forkserver")
    ),
    Scenario("matrix_executors.py", "loky", "loky", "loky", 3, "loky"),
    Scenario("matrix_joblib.py", "loky", "joblib", "loky", 3, "joblib"),
    Scenario("matrix_joblib.py", "multiprocessing", "joblib", DEFAULT, 3, "joblib"),
    Scenario("matrix_others.py", "billiard", "billiard", "fork", 3, "billiard"),
    Scenario("matrix_others.py", "pebble", "pebble", DEFAULT, 3, "pebble"),
    Scenario("matrix_others.py", "mpire", "mpire", "fork", 3, "mpire"),
]


@pytest.fixture(scope="module", params=SCENARIOS, ids=str)
def scenario(request: pytest.FixtureRequest) -> Scenario:
    """Each backend with each of its start methods."""
    chosen: Scenario = request.param
    if chosen.library:
        pytest.importorskip(chosen.library)
    return chosen


@pytest.fixture(scope="module")
def seen(scenario: Scenario, run_observed: Callable[..., Observed]) -> Observed:
    """The scenario's program, observed; it prints [function, pid, call] of each task."""
    done = run_observed(scenario.program, scenario.argument)
    assert done.exit_code == 0, done.stderr
    return done


def in_the_pool(seen: Observed, scenario: Scenario) -> list[dict[str, Any]]:
    """The workers that ran a task of a module of ours."""
    return [
        worker
        for worker in seen.workers
        if any(task["function"].startswith(("meeting:", "__main__:")) for task in worker["tasks"])
    ]


def test_names_backend_and_start_method(seen: Observed, scenario: Scenario) -> None:
    """Every process that ran a task is a worker of its backend, started by its method."""
    workers = in_the_pool(seen, scenario)
    pids = {pid for _, pid, _ in seen.printed["tasks"]}
    assert pids <= {worker["pid"] for worker in workers}
    for worker in workers:
        assert (worker["backend"], worker["start_method"]) == scenario[2:4]
        assert worker["parent_pid"] == seen.document["program"]["pid"]


def test_names_every_finished_task(seen: Observed, scenario: Scenario) -> None:
    """Each task that gave a result is recorded with its function, in the worker that ran it."""
    expected = Counter((function, pid) for function, pid, _ in seen.printed["tasks"])
    ran = Counter(
        (task["function"], task["pid"])
        for task in seen.tasks
        if task["function"] != "meeting:refuse" and not task["function"].startswith("mpire.")
    )
    assert ran == expected
    finished = [task for task in seen.tasks if task["function"].startswith("meeting:")]
    assert all(task["ok"] is (task["function"] != "meeting:refuse") for task in finished)
    assert all(task["ms"] is not None for task in finished)


def test_names_the_call_of_every_task(seen: Observed, scenario: Scenario) -> None:
    """Each task belongs to the call that submitted it, numbered in the order of the calls."""
    expected = Counter(
        (function, call) for function, _, call in seen.printed["tasks"] if call is not None
    )
    expected["meeting:refuse", scenario.failing] += 1
    ran = Counter(
        (task["function"], task["call"])
        for task in seen.tasks
        if task["function"].startswith("meeting:")
    )
    assert ran == expected


def test_gives_exit_codes_and_signals(seen: Observed, scenario: Scenario) -> None:
    """Each worker's exit is the one that its parent saw: a code, or a negative signal."""
    ends = {worker["pid"]: worker["death"]["exit_code"] for worker in seen.workers}
    for pid, status in seen.printed["ends"].items():
        assert ends[int(pid)] == status
    for worker in in_the_pool(seen, scenario):
        assert worker["death"]["exit_code"] is not None
        killed = worker["death"]["exit_code"] < 0
        assert (worker["death"]["signal"] is not None) is killed


def test_keeps_helpers_apart(seen: Observed, scenario: Scenario) -> None:
    """Resource trackers, fork servers and a library's own processes are no workers."""
    kinds = Counter(helper["kind"] for helper in seen.document["helpers"])
    assert kinds["fork server"] == (scenario.start_method == "forkserver")
    if scenario.start_method in ("spawn", "forkserver", "loky"):
        assert kinds["resource tracker"] >= 1
    ours = ("meeting:", "__main__:")
    for worker in seen.workers:
        assert all(task["function"].startswith(ours) for task in worker["tasks"]), worker


def test_misses_nothing(seen: Observed) -> None:
    """No process goes unobserved, nothing fails inside, and no false alarm is raised."""
    # joblib makes a new pool after a call that failed, and ends it while its workers start.
    missing = [row["reason"] for row in seen.document["not_observed"]]
    assert [reason for reason in missing if "ended before its" not in reason] == []
    assert seen.document["faults"] == []
    assert [code for code in seen.codes if code != "WS201"] == []


def test_births_differ_in_nothing_that_was_not_changed(seen: Observed, scenario: Scenario) -> None:
    """A program that changes nothing has workers with its environment, directory and signals."""
    if scenario.backend in ("billiard", "pebble", "mpire"):
        pytest.skip("sets signals for itself")
    same = ["cwd", "locale", "logging", "limits", "decimal", "signals", "warnings"]
    if scenario.backend != "joblib":
        same.append("environ")  # joblib limits the threads of each worker
    for worker in in_the_pool(seen, scenario):
        assert worker["birth"]["compared"]
        rows = worker["birth"]["differences"]
        assert [row for row in rows if row["facet"] in same] == []


def test_records_imports_of_fresh_workers(seen: Observed, scenario: Scenario) -> None:
    """A fresh interpreter's imports are there with their times; a forked one has no big ones."""
    for worker in in_the_pool(seen, scenario):
        modules = {entry["module"] for entry in worker["birth"]["imports"]}
        if scenario.start_method in ("spawn", "loky"):
            assert len(modules) > 20
            assert all(entry["ms"] >= 0 for entry in worker["birth"]["imports"])
        elif scenario.start_method == "fork":
            assert not modules & {"multiprocessing", "pickle", "meeting", "json"}


# --- children that no library started


@pytest.fixture(scope="module")
def children(run_observed: Callable[..., Observed]) -> Observed:
    """A program with a bare fork and seven subprocesses."""
    return run_observed("children.py")


def test_observes_forks_and_subprocesses(children: Observed) -> None:
    """A bare os.fork and each Python subprocess is a worker with its exit code or signal."""
    printed = children.printed
    ends = {
        worker["pid"]: (worker["backend"], worker["death"]["exit_code"], worker["death"]["signal"])
        for worker in children.workers
    }
    assert ends == {
        printed["fork"][0]: ("os.fork", 7, None),
        printed["plain"][0]: ("subprocess", 5, None),
        printed["killed"][0]: ("subprocess", -15, "SIGTERM"),
        printed["prepared"][0]: ("subprocess", 0, None),
    }
    assert "Exception ignored" not in children.stderr
    assert children.document["faults"] == []


def test_says_what_it_could_not_observe(children: Observed) -> None:
    """Children without site, isolated or with an empty environment are counted with the reason."""
    rows = {row["reason"]: row["count"] for row in children.document["not_observed"]}
    assert rows == {
        "a Python child started with -S": 1,
        "a Python child started with -I": 1,
        "a Python child started with an environment of its own (env=...)": 1,
    }
    assert "not observed: 1 x a Python child started with -S" in children.stderr


def test_default_start_method_is_kept(
    run_observed: Callable[..., Observed], run_plain: Callable[..., Finished]
) -> None:
    """A program that asks for no start method gets the one that it gets without us."""
    code = (
        "import multiprocessing as m, sys\n"
        "if __name__ == '__main__':\n"
        "    p = m.Process(target=print, args=('x',)); p.start(); p.join()\n"
        "    print(type(p).__name__, m.get_start_method(), sys.argv)\n"
    )
    seen, plain = run_observed(code), run_plain(code)
    assert seen.stdout == plain.stdout
    assert [worker["start_method"] for worker in seen.workers] == [DEFAULT]
