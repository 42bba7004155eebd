"""Which pool a call finds, where calls without tasks and other threads come between."""

from __future__ import annotations

from typing import Any

from workerstate.observe.pool_history import PoolHistory

JOBLIB = {"max_nbytes": "1", "initializer": "None"}


def facts(number: int, n_jobs: int = 2, **more: Any) -> dict[str, Any]:
    """Give the facts of a pool as a record."""
    given = {"identity": f"loky:{number}", "n_jobs": n_jobs, "cpu_count": 2, "arguments": JOBLIB}
    return {**given, **more}


def test_without_a_look_the_last_call_counts() -> None:
    """Where nobody looked, a pool is compared with that of the call before."""
    history = PoolHistory()
    assert history.explain(facts(0)) == ("created", "the first pool, with 2 workers")
    assert history.explain(facts(0))[0] == "reused"
    assert history.explain(facts(0, 3))[0] == "grown"
    event, reason = history.explain(facts(1, 3, arguments={**JOBLIB, "initializer": "f"}))
    assert (event, reason) == ("replaced", "initializer changed: None -> f: new pool")


def test_what_became_of_the_pool_is_seen() -> None:
    """A pool that was shut down since its last call costs the next one."""
    history = PoolHistory()
    history.explain(facts(0), {"identity": None})
    found = {"identity": "loky:0", "shutdown": True}
    assert history.explain(facts(1), found) == (
        "replaced",
        "the pool was shut down by the program: new pool",
    )


def test_a_pool_fetched_only_to_shut_it_down_explains_the_next() -> None:
    """The common get_reusable_executor().shutdown() makes a pool of its own that gets no task."""
    history = PoolHistory()
    history.explain(facts(0), {"identity": None})
    found = facts(1, shutdown=True, arguments={})
    assert history.explain(facts(2), found)[1] == "the pool was shut down by the program: new pool"


def test_a_pool_fetched_and_left_is_reused() -> None:
    """Joblib takes a pool that was made past it, if its own arguments are the same."""
    history = PoolHistory()
    history.explain(facts(0), {"identity": None})
    assert history.explain(facts(1, 4), facts(1, 4, arguments={}))[0] == "reused"


def test_a_first_call_may_find_a_pool_without_tasks() -> None:
    """The first recorded call is compared with what it found."""
    found = facts(0, shutdown=True, arguments={})
    assert PoolHistory().explain(facts(1), found)[0] == "replaced"


def test_each_thread_has_its_pools() -> None:
    """With loky 3.7 a thread's first pool is created, and the other thread's is found again."""
    history = PoolHistory()
    plain, other = {"timeout": "10"}, {"timeout": "4"}
    history.explain(facts(0, arguments=plain), {"identity": None})
    event, reason = history.explain(facts(1, arguments=other), {"identity": None})
    assert (event, reason) == ("created", "the first pool of this thread, with 2 workers")
    event, reason = history.explain(facts(0, arguments=plain), {"identity": "loky:0"})
    assert (event, reason) == ("reused", "same n_jobs: same workers")


def test_the_looked_at_pool_does_not_hide_the_arguments() -> None:
    """What was read without arguments is compared by those of the pool's last call."""
    history = PoolHistory()
    history.explain(facts(0, cpu_count=8), {"identity": None})
    found = facts(0, arguments={}, cpu_count=2)
    event, reason = history.explain(facts(1, arguments={**JOBLIB, "initializer": "f"}), found)
    assert (event, reason) == ("replaced", "initializer changed: None -> f: new pool")
