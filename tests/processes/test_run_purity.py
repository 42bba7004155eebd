"""`workerstate run --purity`: sampled tasks of any program are run again when it has ended."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness import Observed

    Run = Callable[..., Observed]

PURITY = ("--purity", "--values")


def purity(seen: Observed) -> dict[str, Any]:
    """Give the section; the program must have run as it does without us."""
    assert (seen.exit_code, seen.stdout.splitlines()[-1:]) == (3, [b"done"]), seen.stderr
    assert seen.document["faults"] == []
    assert not (seen.folder / "samples").exists()
    found: dict[str, Any] = seen.document["purity"]
    assert (found["problem"], found["without_main"]) == (None, None), seen.stderr
    return found


@pytest.mark.parametrize("way", ["pool-spawn", "futures-fork", "joblib"])
def test_what_a_worker_remembers_shows(way: str, run_observed: Run) -> None:
    """Under each pool, in chunks and one by one, with worker, task, both results and suspect."""
    if way == "joblib":
        pytest.importorskip("joblib")
    found = purity(run_observed("purity.py", way, "remembers", options=PURITY))
    rows = found["differing"]
    assert len(rows) == found["sampled"] >= 3
    assert {row["function"] for row in rows} == {"__main__:remembers"}
    assert rows[0]["worker"] in (1, 2)
    assert {row["fresh"] for row in rows} == {"1"}
    assert "1" not in {row["used"] for row in rows}
    assert all("__main__.SEEN" in " ".join(row["suspects"]) for row in rows)


@pytest.mark.parametrize("task", ["boxes", "raises", "changes_argument"])
def test_results_of_each_kind_are_compared(task: str, run_observed: Run) -> None:
    """Objects of the main module's classes, exceptions, and arguments as they were before."""
    found = purity(run_observed("purity.py", "futures-fork", task, options=PURITY))
    assert (found["sampled"], len(found["differing"])) == (4, 4), found


@pytest.mark.parametrize(
    ("way", "task", "where"),
    [
        ("pool-fork", "doubles", None),
        ("futures-spawn", "prepared", None),
        ("futures-fork", "inherits", "otherwise"),
        ("pool-fork", "clock", "unsteady"),
    ],
)
def test_what_does_not_come_from_tasks_before_is_told_apart(
    way: str, task: str, where: str | None, run_observed: Run
) -> None:
    """The initializer is run again; what a fork inherits and what is random is not history."""
    found = purity(run_observed("purity.py", way, task, options=PURITY))
    assert found["differing"] == []
    assert found["not_compared"] == []
    counts = {name: found[name] for name in ("unsteady", "otherwise", "undecided")}
    assert {name: count for name, count in counts.items() if count} == ({where: 4} if where else {})


@pytest.mark.parametrize(("task", "reason"), [("large", "larger than"), ("locked", "be pickled")])
def test_what_can_not_be_compared_is_counted(task: str, reason: str, run_observed: Run) -> None:
    """A result too large to be kept, an initializer that pickle refuses: with reason and count."""
    found = purity(run_observed("purity.py", "pool-fork", task, options=PURITY))
    (row,) = found["not_compared"]
    assert reason in row["reason"]
    assert row["count"] == found["sampled"] >= 4


def test_a_main_module_with_threads_has_spawned_workers(run_observed: Run) -> None:
    """What a template may not fork is run in workers that are started one by one."""
    found = purity(run_observed("purity.py", "futures-spawn", "remembers", "x", options=PURITY))
    assert len(found["differing"]) == 4


def test_functions_sent_by_value_bring_their_globals_again(run_observed: Run) -> None:
    """With loky a function has the parent's globals as of submit; a builtin needs nothing."""
    pytest.importorskip("loky")
    found = purity(run_observed("purity.py", "loky", "inherits", options=PURITY))
    assert (found["sampled"], found["differing"], found["not_compared"]) == (9, [], [])
    assert found["otherwise"] == 0


UNGUARDED = """
import multiprocessing
print("done")
def task(number): return number
with multiprocessing.get_context("fork").Pool(1) as pool:
    pool.map(task, range(3), chunksize=1)
    pool.close()
    pool.join()
open("ran", "a").write("x")
"""


def test_a_script_without_guard_is_not_run_again(run_observed: Run, tmp_path: Path) -> None:
    """Its tasks are counted with the reason, and the script runs once."""
    seen = run_observed(UNGUARDED, options=PURITY, cwd=tmp_path)
    found = seen.document["purity"]
    assert "__name__" in found["without_main"]
    assert sum(row["count"] for row in found["not_compared"]) == found["sampled"] == 2
    assert (tmp_path / "ran").read_text() == "x"
    assert "would run again" in " ".join(seen.stderr.split())


def test_a_main_module_that_fails_is_told(run_observed: Run, tmp_path: Path) -> None:
    """Where no fresh worker can start, the summary says why, and the program's exit code stays."""
    guarded = "if __name__ != '__main__': raise RuntimeError('not here')\n" + UNGUARDED
    seen = run_observed(guarded, options=PURITY, cwd=tmp_path)
    assert seen.exit_code == 0
    assert "not here" in seen.document["purity"]["problem"]


def test_values_stay_hidden_unless_asked_for(run_observed: Run) -> None:
    """Without --values neither results nor suspects show what the program's data are."""
    seen = run_observed("purity.py", "futures-fork", "raises", options=("--purity",))
    row = purity(seen)["differing"][0]
    assert (row["fresh"], row["used"]) == ("raised ValueError", "raised ValueError")
    assert "[0]" not in json.dumps(row)


def test_without_the_option_nothing_is_kept(run_observed: Run) -> None:
    """A plain run has no such section and no samples."""
    seen = run_observed("purity.py", "futures-fork", "remembers")
    assert "purity" not in seen.document
    assert not list(seen.folder.glob("samples*"))
