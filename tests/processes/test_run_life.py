"""`workerstate run` on a worker's life: what tasks change, which call they serve, how it ends."""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness import Observed


# --- changes


@pytest.fixture(scope="module", params=["fork", "spawn", "forkserver", "loky"])
def changes(request: pytest.FixtureRequest, run_observed: Callable[..., Observed]) -> Observed:
    """One worker in which each task leaves one thing behind."""
    if request.param == "loky":
        pytest.importorskip("loky")
    return run_observed("changes.py", request.param)


def telling(task: dict[str, Any]) -> list[tuple[str, str, Any, Any]]:
    """The changes of a task, without modules that were imported and objects that vary."""
    return [
        (change["facet"], change["key"], change["before"], change["after"])
        for change in task["changes"]
        if change["key"] != "imported" and "in part" not in str(change["after"])
    ]


def test_each_task_is_said_to_change_what_it_changed(changes: Observed) -> None:
    """A task's changes are its own: the key it changed, from what, to what, and nothing else."""
    (worker,) = changes.workers
    found = [
        (task["function"].removeprefix("__main__:"), *telling(task)) for task in worker["tasks"]
    ]
    by_value = worker["start_method"] == "loky"  # the globals of __main__ come with the task
    expected: list[tuple[Any, ...]] = [
        ("nothing",),
        ("root_handler", ("logging", "root.handlers", None, "NullHandler")),
        ("root_handler", ("logging", "root.handlers", "NullHandler", "NullHandler, NullHandler")),
        ("named_handler", ("logging", "app.part.handlers", None, "NullHandler")),
        ("level", ("logging", "app.part.level", None, "ERROR")),
        ("directory", ("cwd", "directory", ..., ...)),
        ("umask", ("cwd", "umask", "0022", "0027")),
        ("environ", ("environ", "SECRET_OF_THE_TEST", None, ...)),
        ("path", ("sys_path", "path", ..., ...)),
        ("warning_filter", ("warnings", "filters", ..., ...)),
        ("precision", ("decimal", "prec", "28", "9")),
        ("recursion", ("limits", "recursion_limit", "1000", "4321")),
        ("draw", ("random", "state", ..., ...)),
        ("handle", ("signals", "SIGUSR2", None, "'ignored'")),
        ("thread", ("threads", "threads", "0", "1"), ("threads", "names", None, "lingerer")),
        (
            "module_global",
            *([] if by_value else [("modules", "__main__.SETTINGS", ..., ...)]),
            *([] if by_value else [("modules", "__main__.SPEED", ..., ...)]),
        ),
        ("nothing",),
    ]
    assert len(found) == len(expected)
    for (name, *rows), (wanted_name, *wanted) in zip(found, expected, strict=True):
        assert name == wanted_name
        assert len(rows) == len(wanted), (name, rows)
        for row, pattern in zip(rows, wanted, strict=True):
            assert all(p is ... or p == value for p, value in zip(pattern, row, strict=True)), row
            assert row[2] != row[3]


def test_no_value_is_recorded_unless_asked_for(
    changes: Observed, run_observed: Callable[..., Observed]
) -> None:
    """Neither the recording nor the summary holds a value of the environment; --values shows it."""
    journals = [path.read_text() for path in changes.folder.iterdir()]
    assert "SECRET_OF_THE_TEST" in "".join(journals)
    for text in (*journals, json.dumps(changes.document), changes.stderr):
        assert "very-secret-value" not in text
        assert "/nowhere/at/all" not in text
    rows = [change for task in changes.tasks for change in task["changes"]]
    for change in (row for row in rows if row["facet"] in ("cwd", "sys_path", "environ")):
        assert "/" not in f"{change['before']} {change['after']}", change
    assert {path.stat().st_mode & 0o777 for path in changes.folder.iterdir()} == {0o600}


def test_values_are_recorded_if_asked_for(run_observed: Callable[..., Observed]) -> None:
    """With --values paths are shown; what has a secret's name still is not."""
    seen = run_observed("changes.py", "fork", options=("--values",))
    rows = {
        (change["facet"], change["key"]): change["after"]
        for task in seen.tasks
        for change in task["changes"]
    }
    assert tempfile.gettempdir() in rows["cwd", "directory"]
    assert "programs" in rows["sys_path", "path"]
    assert "SECRET_OF_THE_TEST" in json.dumps(seen.document)
    assert "very-secret-value" not in json.dumps(seen.document)


# --- calls


def test_tasks_are_told_to_their_calls(
    start_method: str, run_observed: Callable[..., Observed]
) -> None:
    """Loops, threads and two pools at once: each task has the call that submitted it."""
    seen = run_observed("calls_of_one_pool.py", start_method)
    expected = seen.printed
    assert [row["line"] for row in seen.document["pools"]] == [line for line, _ in expected]
    assert [row["call"] for row in seen.document["pools"]] == [*range(1, len(expected) + 1)]
    counts = [0] * len(expected)
    for task in seen.tasks:
        counts[task["call"] - 1] += 1
    assert counts == [number for _, number in expected]
    events = [(row["backend"], row["event"]) for row in seen.document["pools"]]
    assert events[0] == ("multiprocessing", "created")
    assert events[2] == ("futures", "created")
    assert {event for _, event in events[:2] + events[3:]} - {"created"} == {"reused"}
    assert sum(event == "created" for _, event in events) == 2


def test_a_pool_is_not_taken_for_one_that_is_gone(run_observed: Callable[..., Observed]) -> None:
    """Pools made one after the other, at the same place in memory, are pools of their own."""
    seen = run_observed(
        "import multiprocessing\n"
        "from concurrent.futures import ProcessPoolExecutor\n"
        "if __name__ == '__main__':\n"
        "    context = multiprocessing.get_context('fork')\n"
        "    for _ in range(3):\n"
        "        with ProcessPoolExecutor(1, mp_context=context) as executor:\n"
        "            executor.submit(abs, 1).result()\n"
        "        with context.Pool(1) as pool:\n"
        "            pool.map(abs, [1])\n"
        "            pool.close(); pool.join()\n"
    )
    assert [row["event"] for row in seen.document["pools"]] == ["created"] * 6
    assert [worker["backend"] for worker in seen.workers] == ["futures", "multiprocessing"] * 3
    assert [task["call"] for task in seen.tasks] == [1, 2, 3, 4, 5, 6]


def test_functions_may_have_a_librarys_name(run_observed: Callable[..., Observed]) -> None:
    """A user's function named as one that a library sends is taken for what it is."""
    seen = run_observed(
        "from concurrent.futures import ProcessPoolExecutor\n"
        "from functools import partial\n"
        "def process_chunk(a): return a\n"
        "def _process_chunk(a, b): return a\n"
        "def mapstar(a): return a\n"
        "if __name__ == '__main__':\n"
        "    with ProcessPoolExecutor(1) as pool:\n"
        "        pool.submit(process_chunk, 1).result()\n"
        "        pool.submit(partial(_process_chunk, 1), 2).result()\n"
        "        list(pool.map(mapstar, [1, 2, 3], chunksize=2))\n"
    )
    assert [(task["function"], task["items"]) for task in seen.tasks] == [
        ("__main__:process_chunk", 1),
        ("__main__:_process_chunk", 1),
        ("__main__:mapstar", 2),
        ("__main__:mapstar", 1),
    ]
    assert seen.document["faults"] == []


EVENTS = {
    "2": [
        ("created", "the first pool, with 2 workers"),
        ("reused", "same n_jobs: same workers"),
        (
            "grown",
            "n_jobs 2 -> 3: grown, the first 2 workers stay "
            "(max(cpu_count 2 // n_jobs 3, 1) = 1 thread, as before)",
        ),
        (
            "shrunk",
            "n_jobs 3 -> 2: shrunk, 2 of 3 workers stay (cpu_count 2 // n_jobs 2 = 1 thread, "
            "as before)",
        ),
    ],
    "8": [
        ("created", "the first pool, with 2 workers"),
        ("reused", "same n_jobs: same workers"),
        ("replaced", "cpu_count 8 // n_jobs 3 = 2 threads, was 4: new pool"),
        ("replaced", "cpu_count 8 // n_jobs 2 = 4 threads, was 2: new pool"),
    ],
}


@pytest.mark.parametrize("cpus", EVENTS)
def test_says_why_joblib_kept_or_replaced_its_pool(
    cpus: str, run_observed: Callable[..., Observed]
) -> None:
    """Created, reused, grown, shrunk or replaced: with the values that decided, for each call."""
    pytest.importorskip("joblib")
    seen = run_observed("joblib_walk.py", options=("--cpus", cpus))
    rows = seen.document["pools"]
    assert [(row["event"], row["reason"]) for row in rows] == EVENTS[cpus]
    assert [row["n_jobs"] for row in rows] == [2, 2, 3, 2]
    assert seen.document["environment"]["simulated_cpus"] == int(cpus)
    assert EVENTS[cpus][2][1] in " ".join(seen.stderr.split())


def test_says_which_worker_served_which_call(run_observed: Callable[..., Observed]) -> None:
    """The workers of each call are those that the program itself saw."""
    pytest.importorskip("joblib")
    seen = run_observed("joblib_walk.py", options=("--cpus", "2"))
    served: dict[int, set[int]] = defaultdict(set)
    for task in seen.tasks:
        served[task["call"]].add(task["pid"])
    assert [sorted(served[call]) for call in (1, 2, 3, 4)] == seen.printed


def test_says_what_became_of_lokys_own_pool(run_observed: Callable[..., Observed]) -> None:
    """The reusable executor of loky: grown, then replaced for a new initializer."""
    pytest.importorskip("loky")
    seen = run_observed(
        "from loky import get_reusable_executor\n"
        "if __name__ == '__main__':\n"
        "    for number, setup in ((1, None), (2, None), (2, print)):\n"
        "        pool = get_reusable_executor(max_workers=number, initializer=setup)\n"
        "        list(pool.map(abs, range(2)))\n"
        "    pool.shutdown()\n",
        options=("--cpus", "2"),
    )
    rows = [(row["backend"], row["event"]) for row in seen.document["pools"]]
    assert rows == [("loky", "created"), ("loky", "grown"), ("loky", "replaced")]
    assert "initializer changed: None -> builtins.print" in seen.document["pools"][2]["reason"]


# --- deaths

ENDS = {"kill": (-9, "SIGKILL"), "leave": (9, None), "crash": (-11, "SIGSEGV")}


def test_the_dead_name_their_task(start_method: str, run_observed: Callable[..., Observed]) -> None:
    """Killed, os._exit or a crash: exit, signal and the task it was in, for each kind of pool."""
    seen = run_observed("deaths.py", start_method)
    workers = {worker["pid"]: worker for worker in seen.workers}
    for pid, name in seen.printed:
        death = workers[pid]["death"]
        assert (death["exit_code"], death["signal"]) == ENDS[name]
        assert death["task"] == f"__main__:{name}"
        fine, last = workers[pid]["tasks"]
        assert (fine["function"], fine["ok"]) == ("__main__:fine", True)
        assert (last["ok"], last["ms"]) == (None, None)
        assert death["ms"] >= last["start_ms"]
        assert f"(pid {pid})" in seen.stderr
    assert seen.codes.count("WS201") == len(seen.printed)


def test_two_threads_ask_how_a_worker_ended(run_observed: Callable[..., Observed]) -> None:
    """The fork server tells a status once: the thread that comes second makes up a 255."""
    seen = run_observed(
        "import multiprocessing, os, threading\n"
        "from multiprocessing import forkserver\n"
        "if __name__ == '__main__':\n"
        "    context = multiprocessing.get_context('forkserver')\n"
        "    worker = context.Process(target=os._exit, args=(9,))\n"
        "    worker.start()\n"
        "    taken, told, read = threading.Event(), threading.Event(), forkserver.read_signed\n"
        "    def read_and_wait(fd):\n"
        "        forkserver.read_signed = read\n"
        "        status = read(fd)\n"
        "        taken.set()\n"
        "        told.wait()\n"
        "        return status\n"
        "    forkserver.read_signed = read_and_wait\n"
        "    first = threading.Thread(target=worker.join)\n"
        "    first.start()\n"
        "    taken.wait()\n"
        "    codes = [worker.exitcode]\n"
        "    told.set()\n"
        "    first.join()\n"
        "    print([*codes, worker.exitcode])\n"
    )
    assert seen.printed == [255, 9]
    (worker,) = seen.workers
    assert worker["death"]["exit_code"] == 9


def test_sixty_workers_killed_at_random_moments(run_observed: Callable[..., Observed]) -> None:
    """No line is torn, each that was in a task names it, and who left no line is counted."""
    seen = run_observed("kills.py", timeout=100)
    in_task = {int(pid): busy for pid, busy in seen.printed.items()}
    assert len(in_task) == 60
    assert sum(in_task.values()) > 5
    for path in seen.folder.glob("*.jsonl"):
        content = path.read_text()
        # Who is killed at once may have made its journal and not written to it.
        assert content == "" or content.endswith("\n")
        assert all(json.loads(line) for line in content.splitlines())
    workers = {worker["pid"]: worker for worker in seen.workers}
    for pid, busy in in_task.items():
        if pid in workers:
            assert workers[pid]["death"]["signal"] == "SIGKILL"
        if busy:
            assert workers[pid]["death"]["task"] == "__main__:busy"
    silent = len(in_task.keys() - workers.keys())
    rows = [
        row for row in seen.document["not_observed"] if "before its first line" in row["reason"]
    ]
    assert sum(row["count"] for row in rows) == silent
    others = [row["reason"] for row in seen.document["not_observed"] if row not in rows]
    assert set(others) <= {"a fork worker that ended before its bootstrap"}


def test_tasks_beyond_the_first_many_are_counted(run_observed: Callable[..., Observed]) -> None:
    """Of very many tasks the last are counted, and a worker that is killed names its task."""
    seen = run_observed("very_many.py")
    assert seen.stdout == b"0\n"  # the program's own file holds nothing of ours
    worker = seen.workers[0]
    more = sum(row["tasks"] for row in worker["more_tasks"].values())
    assert len(worker["tasks"]) + more == 20_301
    assert worker["death"]["signal"] == "SIGKILL"
    assert worker["death"]["task"] == "__main__:task"
    (finding,) = seen.document["findings"]
    assert "while it ran __main__:task, its task 20301" in finding["sentence"]
    assert seen.document["faults"] == []


def test_memory_of_who_was_killed(run_observed: Callable[..., Observed]) -> None:
    """A worker that is killed while it holds much memory is shown with what it had."""
    seen = run_observed("hungry.py")
    (worker,) = seen.workers
    assert worker["death"]["signal"] == "SIGKILL"
    assert worker["death"]["memory"]["highest"] > 120 << 20
    assert "memory last seen" in seen.stderr
