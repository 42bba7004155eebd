"""The rule of joblib's and loky's pools, over facts made by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from workerstate.observe.executor_facts import arguments_of, read_facts, text_of
from workerstate.observe.pool_rule import THREAD_VARIABLES, ExecutorFacts, explain, predict


def joblib_facts(n_jobs: int, cpu_count: int, *, identity: str = "a", **more: Any) -> ExecutorFacts:
    """Give the facts of a pool of joblib's with ordinary arguments."""
    threads = str(max(cpu_count // n_jobs, 1))
    arguments = {
        **dict.fromkeys(THREAD_VARIABLES, threads),
        "max_nbytes": "1048576",
        "initializer": "None",
        "timeout": "300",
        **more.pop("arguments", {}),
    }
    versions = more.pop("versions", {"joblib": "1.6.0", "joblib.externals.loky": "3.6.0"})
    return ExecutorFacts(
        identity, n_jobs, cpu_count, arguments=arguments, versions=versions, **more
    )


def loky_facts(n_jobs: int, *, identity: str = "a", **more: Any) -> ExecutorFacts:
    """Give the facts of a pool of loky's own, which knows no coupling to the processors."""
    arguments = {"timeout": "10", "initializer": "None", **more.pop("arguments", {})}
    return ExecutorFacts(
        identity, n_jobs, 2, arguments=arguments, versions={"loky": "3.7.0"}, **more
    )


CASES: dict[str, tuple[ExecutorFacts | None, ExecutorFacts, str, str]] = {
    "first call": (None, joblib_facts(2, 8), "created", "the first pool, with 2 workers"),
    "same": (joblib_facts(2, 8), joblib_facts(2, 8), "reused", "same n_jobs: same workers"),
    "threads differ": (
        joblib_facts(2, 8),
        joblib_facts(3, 8, identity="b"),
        "replaced",
        "cpu_count 8 // n_jobs 3 = 2 threads, was 4: new pool",
    ),
    "threads equal": (
        joblib_facts(3, 8),
        joblib_facts(4, 8),
        "grown",
        "n_jobs 3 -> 4: grown, the first 3 workers stay "
        "(cpu_count 8 // n_jobs 4 = 2 threads, as before)",
    ),
    "more workers than processors": (
        joblib_facts(2, 2),
        joblib_facts(3, 2),
        "grown",
        "n_jobs 2 -> 3: grown, the first 2 workers stay "
        "(max(cpu_count 2 // n_jobs 3, 1) = 1 thread, as before)",
    ),
    "threads set by the environment": (
        joblib_facts(2, 8, arguments=dict.fromkeys(THREAD_VARIABLES, "7")),
        joblib_facts(3, 8, arguments=dict.fromkeys(THREAD_VARIABLES, "7")),
        "grown",
        "n_jobs 2 -> 3: grown, the first 2 workers stay (threads per worker as before)",
    ),
    "shrunk": (
        joblib_facts(6, 2),
        joblib_facts(2, 2),
        "shrunk",
        "n_jobs 6 -> 2: shrunk, 2 of 6 workers stay "
        "(cpu_count 2 // n_jobs 2 = 1 thread, as before)",
    ),
    "processors differ": (
        joblib_facts(2, 2),
        joblib_facts(2, 8, identity="b"),
        "replaced",
        "cpu_count 8 // n_jobs 2 = 4 threads, was 1 with cpu_count 2: new pool",
    ),
    "queue too small": (
        joblib_facts(3, 2, queue_size=5),
        joblib_facts(6, 2, identity="b", queue_size=13),
        "replaced",
        "n_jobs 6 > queue size 5 (2 * max(cpu_count 2, n_jobs when it was made) + 1): new pool",
    ),
    "queue of a large pool too small": (
        loky_facts(6, queue_size=13),
        loky_facts(14, identity="b", queue_size=29),
        "replaced",
        "n_jobs 14 > queue size 13 (2 * max(cpu_count 2, 6 when it was made) + 1): new pool",
    ),
    "no queue size in old versions": (
        loky_facts(2, queue_size=None),
        loky_facts(60),
        "grown",
        "n_jobs 2 -> 60: grown, the first 2 workers stay",
    ),
    "task raised": (
        joblib_facts(2, 2, shutdown=True, killed=True),
        joblib_facts(2, 2, identity="b"),
        "replaced",
        "the pool was shut down after a task raised "
        "(or the call timed out or was interrupted): new pool",
    ),
    "shut down": (
        joblib_facts(2, 2, shutdown=True),
        joblib_facts(2, 2, identity="b"),
        "replaced",
        "the pool was shut down by the program: new pool",
    ),
    "loky killed": (
        loky_facts(2, shutdown=True, killed=True),
        loky_facts(2, identity="b"),
        "replaced",
        "the pool was shut down and its workers killed: new pool",
    ),
    "broken": (
        joblib_facts(2, 2, broken="TerminatedWorkerError", shutdown=True),
        joblib_facts(2, 2, identity="b"),
        "replaced",
        "the pool was broken: TerminatedWorkerError: new pool",
    ),
    "initializer": (
        joblib_facts(2, 2),
        joblib_facts(2, 2, identity="b", arguments={"initializer": "app.setup #1f"}),
        "replaced",
        "initializer changed: None -> app.setup: new pool",
    ),
    "another function of the same name": (
        joblib_facts(2, 2, arguments={"initializer": "app.<lambda> #1f"}),
        joblib_facts(2, 2, identity="b", arguments={"initializer": "app.<lambda> #2f"}),
        "replaced",
        "initializer changed: another app.<lambda>: new pool",
    ),
    "private initargs": (
        joblib_facts(2, 2, arguments={"initargs": "(str #1)"}),
        joblib_facts(2, 2, identity="b", arguments={"initargs": "(str #2, str #3)"}),
        "replaced",
        "initargs changed: new pool",
    ),
    "one thread variable": (
        joblib_facts(2, 2),
        joblib_facts(2, 2, identity="b", arguments={"OMP_NUM_THREADS": "2"}),
        "replaced",
        "OMP_NUM_THREADS 1 -> 2: new pool",
    ),
    "variable appears": (
        joblib_facts(2, 2),
        joblib_facts(2, 2, identity="b", arguments={"ENABLE_IPC": "1"}),
        "replaced",
        "ENABLE_IPC unset -> 1: new pool",
    ),
    "two causes": (
        joblib_facts(2, 8),
        joblib_facts(3, 8, identity="b", arguments={"timeout": "9"}),
        "replaced",
        "cpu_count 8 // n_jobs 3 = 2 threads, was 4; timeout changed: 300 -> 9: new pool",
    ),
    "straight to loky": (
        joblib_facts(2, 2),
        loky_facts(2, identity="b"),
        "replaced",
        "one call came through joblib, the other straight to loky: new pool",
    ),
    "asked for": (
        loky_facts(2),
        loky_facts(2, identity="b", reuse=False),
        "replaced",
        "the call asked for a new pool: new pool",
    ),
    "arguments not looked at": (
        loky_facts(2),
        loky_facts(2, reuse=True, arguments={"timeout": "9"}),
        "reused",
        "same n_jobs: same workers",
    ),
    "workers ended": (
        joblib_facts(2, 2, ended=2),
        joblib_facts(2, 2),
        "reused",
        "same n_jobs: same pool, but 2 of its workers had ended (idle too long, or leaking memory)",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_says_what_happened_and_why(name: str) -> None:
    """Event and reason of every kind of call; the rule expects what happened."""
    before, now, event, reason = CASES[name]
    assert explain(before, now) == (event, reason)
    assert predict(before, now) == event


def test_what_happened_wins_over_the_rule() -> None:
    """A pool that was kept against the rule is reported as kept, with the rule's doubt."""
    before, now = joblib_facts(2, 8), joblib_facts(3, 8)
    event, reason = explain(before, now)
    assert event == "grown"
    assert predict(before, now) == "replaced"
    assert "unexpectedly, since cpu_count 8 // n_jobs 3 = 2 threads, was 4" in reason


def test_admits_what_it_can_not_explain() -> None:
    """A pool that was replaced against the rule is reported so, without an invented reason."""
    quiet = explain(joblib_facts(2, 2), joblib_facts(2, 2, identity="b"))
    assert quiet == ("replaced", "reason not known; changed: nothing that is read")
    changed = explain(joblib_facts(2, 2), joblib_facts(3, 2, identity="b"))
    assert changed == ("replaced", "reason not known; changed: n_jobs 2 -> 3")
    ignored = loky_facts(2, identity="b", reuse=True, arguments={"timeout": "9"})
    assert explain(loky_facts(2), ignored) == (
        "replaced",
        "reason not known; changed: timeout changed: 10 -> 9",
    )


def test_takes_facts_of_a_later_version() -> None:
    """A record with a fact that this version does not know can still be read."""
    facts = ExecutorFacts.from_record({"identity": "a", "n_jobs": 2, "from the future": 1})
    assert facts == ExecutorFacts("a", 2)


def setup() -> None:
    """Stand in for an initializer."""


class Noisy:
    """Fails whoever compares, prints or asks it anything."""

    def __eq__(self, other: object) -> bool:
        raise AssertionError

    def __getattr__(self, name: str) -> object:
        raise AssertionError

    def __repr__(self) -> str:
        raise AssertionError

    __hash__ = None  # type: ignore[assignment]


def test_texts_tell_arguments_apart_without_running_them() -> None:
    """Equal arguments have equal texts, others do not, and no code of the program's runs."""
    assert text_of(setup) == text_of(setup)
    assert text_of(setup).startswith(f"{__name__}.setup #")
    first, second = Noisy(), Noisy()
    assert text_of(first) == text_of(first) != text_of(second)
    assert text_of(("a", 1)) == text_of(("a", 1)) != text_of(("a", 2))
    assert text_of("1") == "1"


def test_texts_of_private_arguments_show_no_value() -> None:
    """What an initializer is given may be secret: its text holds neither words nor numbers."""
    text = text_of(("hunter2", 31337, ["deep hunter2"]), private=True)
    assert "hunter" not in text
    assert "31337" not in text
    assert text != text_of(("hunter3", 31337, ["deep hunter2"]), private=True)


def executor(**more: Any) -> SimpleNamespace:
    """Stand in for a reusable executor of loky 3.4, which has no queue_size."""
    flags = SimpleNamespace(broken=None, shutdown=False, kill_workers=False)
    given = {"executor_id": 7, "_max_workers": 3, "_flags": flags, "_processes": {1: 0, 2: 0}}
    return SimpleNamespace(**{**given, "_executor_manager_thread": None, **more})


def test_reads_an_executor_of_any_version() -> None:
    """An executor without queue_size, before and after its first task."""
    arguments = {"OMP_NUM_THREADS": "2", "initializer": setup, "initargs": ("hunter2", 31337)}
    record = read_facts(executor(), root="loky", arguments=arguments, reuse=True)
    facts = ExecutorFacts.from_record(record)
    assert (facts.identity, facts.n_jobs, facts.queue_size) == ("loky:7", 3, None)
    assert (facts.ended, facts.reuse) == (0, True)
    assert facts.arguments["OMP_NUM_THREADS"] == "2"
    assert "hunter2" not in facts.arguments["initargs"]
    assert "31337" not in facts.arguments["initargs"]
    started = executor(_executor_manager_thread=object(), queue_size=5)
    record = read_facts(started, root="loky", arguments={})
    assert (record["ended"], record["queue_size"], record["reuse"]) == (1, 5, "auto")


def test_arguments_of_loky_are_those_it_compares() -> None:
    """What a call leaves out counts with its default, and env with each of its names."""

    class Reusable:
        """Not joblib's subclass."""

    plain = arguments_of(Reusable, {})
    assert plain == arguments_of(Reusable, {"timeout": 10, "reuse": "auto", "kill_workers": True})
    assert arguments_of(Reusable, {"env": {"A": "1"}}) == {**plain, "A": "1"}
