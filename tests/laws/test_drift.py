"""Laws: what a task leaves behind in its worker is noticed, and dealt with as the spec says."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import warnings

import drift_tasks
import pytest
from drift_tasks import KINDS
from ways import BOUND_BY_HAND, every_way, in_process, open_way

from workerstate import DriftError, DriftWarning, Executor, WorkerSpec

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
    # loky's own words for a worker that ends while tasks wait
    pytest.mark.filterwarnings("ignore:A worker (stopped|was restarted) while some jobs"),
]
METHODS = ("template", "fork", "spawn", "forkserver", "loky")
RESET = [name for name, kind in KINDS.items() if getattr(kind, "can_reset", True)]

each_kind = pytest.mark.parametrize("kind", KINDS)


def spec(drift):
    return WorkerSpec(carry=["drift_tasks:OPTIONS"], drift=drift)


@pytest.fixture(scope="module", params=METHODS)
def method(request):
    if request.param == "loky" and importlib.util.find_spec("loky") is None:
        pytest.skip("loky is not installed")
    return request.param


@contextlib.contextmanager
def one_worker(method, drift):
    with Executor(1, spec=spec(drift), start_method=method) as pool:
        pool.submit(drift_tasks.pid).result(30)
        yield pool


@pytest.fixture(scope="module")
def warned(method):
    with one_worker(method, "warn") as pool:
        yield pool


@pytest.fixture(scope="module")
def refused(method):
    with one_worker(method, {"threads": "warn", "*": "error"}) as pool:
        yield pool


@pytest.fixture(scope="module")
def reset(method):
    with one_worker(method, {"threads": "ignore", "*": "reset"}) as pool:
        yield pool


def need(kind):
    library = getattr(KINDS[kind], "needs", None)
    if library is not None and importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")


@each_kind
def test_each_kind_of_leak_is_told(warned, kind):
    """The parent is warned, once, with the task, the facet, the key and both values."""
    need(kind)
    with pytest.warns(DriftWarning) as got:
        warned.submit(KINDS[kind].leak).result(30)
    (change,) = [w.message.args[0] for w in got if issubclass(w.category, DriftWarning)]
    assert (change.task, change.facet) == (f"drift_tasks.{kind}.leak", KINDS[kind].facet)
    assert change.before != change.after
    assert change.task in str(change)
    assert change in warned.drifts()


@pytest.mark.parametrize("kind", RESET)
def test_each_kind_of_leak_can_be_refused(refused, kind):
    """The task fails with the facts, and the next one finds what was there before."""
    need(kind)
    before = refused.submit(drift_tasks.read, kind).result(30)
    with pytest.raises(DriftError) as got:
        refused.submit(KINDS[kind].leak).result(30)
    told = {(change.task, change.facet) for change in got.value.args}
    assert told == {(f"drift_tasks.{kind}.leak", KINDS[kind].facet)}
    assert refused.submit(drift_tasks.read, kind).result(30) == before


@pytest.mark.parametrize("kind", RESET)
def test_each_kind_of_leak_can_be_put_back(reset, kind):
    """The same worker has, for its next task, what it had before; nobody need be told."""
    need(kind)
    before = reset.submit(drift_tasks.read, kind).result(30)
    with warnings.catch_warnings():
        warnings.simplefilter("error", DriftWarning)
        reset.submit(KINDS[kind].leak).result(30)
        assert reset.submit(drift_tasks.read, kind).result(30) == before
    assert KINDS[kind].facet in {change.facet for change in reset.drifts()}


@pytest.mark.parametrize("kind", [name for name in RESET if name != "RandomSeed"])
def test_a_function_that_was_good_for_long_is_still_looked_at(refused, kind):
    """The cheap look after every task sees each kind, and which task it was.

    But for the random module's generator, which can't be looked at cheaply.
    """
    need(kind)
    refused.submit(drift_tasks.read, kind).result(30)
    assert list(refused.map(drift_tasks.leak_if, [False] * 5, [kind] * 5)) == [None] * 5
    with pytest.raises(DriftError) as got:
        refused.submit(drift_tasks.leak_if, True, kind).result(30)
    assert {(change.facet, change.since) for change in got.value.args} == {(KINDS[kind].facet, 1)}


@pytest.mark.parametrize("kind", ["Environ", "Threads"])
def test_a_worker_can_be_retired(method, kind):
    """Another process, with the same number, runs the next task, and nobody need be told."""
    with one_worker(method, "retire") as pool, warnings.catch_warnings(record=True) as got:
        warnings.simplefilter("always", DriftWarning)
        _, before = pool.submit(drift_tasks.read, kind).result(30)
        first = [pool.submit(drift_tasks.leak, kind).result(30) for _ in range(3)]
        pid, left = pool.submit(drift_tasks.read, kind).result(30)
        assert {report.number for report in pool.starts()} == {0}
    told = [w.message for w in got if issubclass(w.category, DriftWarning)]
    assert told == []
    assert len({*first, pid}) == 4
    assert left == before


def test_what_cannot_be_put_back_retires_the_worker(method):
    """A live thread is said, and its worker ends, though the policy is to put things back."""
    with one_worker(method, "reset") as pool:
        with pytest.warns(DriftWarning, match="threads running: pump.*can't be put back"):
            first = pool.submit(drift_tasks.leak, "Threads").result(30)
        pid, _ = pool.submit(drift_tasks.read, "Threads").result(30)
    assert pid != first


def test_no_task_is_lost_while_workers_retire(method):
    """Every result of a map arrives though each task is its worker's last."""
    with Executor(2, spec=spec("retire"), start_method=method) as pool:
        pids = list(pool.map(drift_tasks.leak, ["Environ"] * 12, timeout=60))
    assert len(set(pids)) == 12


def test_a_normal_life_is_no_drift(method):
    """Imports, random draws, loggers, contexts that end, threads that end: nothing to say."""
    with one_worker(method, "error") as pool:
        assert list(pool.map(drift_tasks.lead_a_normal_life, range(10), timeout=60)) == [*range(10)]
        assert pool.drifts() == []


def test_a_facet_has_its_own_policy(method):
    """One facet is put back, another refused, a third left alone, the others told."""
    drift = {"logging": "reset", "environ": "error", "limits": "ignore", "*": "warn"}
    with one_worker(method, drift) as pool:
        _, before = pool.submit(drift_tasks.read, "Handlers").result(30)
        pool.submit(drift_tasks.leak, "Handlers").result(30)
        _, after = pool.submit(drift_tasks.read, "Handlers").result(30)
        with pytest.raises(DriftError, match="LEFT_BEHIND"):
            pool.submit(drift_tasks.leak, "Environ").result(30)
        pool.submit(drift_tasks.leak, "Recursion").result(30)
        with pytest.warns(DriftWarning, match="cwd: directory"):
            pool.submit(drift_tasks.leak, "Cwd").result(30)
    assert after == before
    assert [change.facet for change in pool.drifts()] == ["logging", "environ", "cwd"]


@pytest.mark.parametrize(
    ("drift", "task", "amounts"),
    [
        ({"memory": ("retire", "20 MB")}, drift_tasks.grow, (5, 40)),
        ({"fds": ("retire", 10)}, drift_tasks.open_files, (5, 20)),
    ],
    ids=["memory", "fds"],
)
def test_growth_is_drift_from_its_limit_on(method, drift, task, amounts):
    """A worker that has grown by less goes on; one that has grown by more ends."""
    with one_worker(method, drift) as pool:
        first = pool.submit(drift_tasks.pid).result(30)
        assert pool.submit(task, amounts[0]).result(30) == first
        assert pool.submit(task, amounts[1]).result(30) == first
        assert pool.submit(drift_tasks.pid).result(30) != first
    (change,) = pool.drifts()
    assert (change.facet, change.policy) == (*drift, "retire")


def test_a_task_that_fails_by_itself_fails_so(method):
    """Its own exception comes home; that it left something behind is told as well."""
    with one_worker(method, "error") as pool:
        with (
            pytest.warns(DriftWarning, match="leak_and_fail set environ: LEFT_BEHIND"),
            pytest.raises(LookupError, match="the task's own"),
        ):
            pool.submit(drift_tasks.leak_and_fail, "Environ").result(30)
        assert pool.submit(drift_tasks.read, "Environ").result(30)[1] is None


def test_carried_state_that_changes_is_no_drift(method):
    """What a worker gets from the parent is where its drift is counted from."""
    drift_tasks.OPTIONS["mode"] = "from the file"
    try:
        with one_worker(method, "error") as pool:
            for mode in ("second", "third"):
                drift_tasks.OPTIONS["mode"] = mode
                assert pool.submit(drift_tasks.read, "Globals").result(30)[1] == {"mode": mode}
                with pytest.raises(DriftError, match="OPTIONS"):
                    pool.submit(drift_tasks.leak, "Globals").result(30)
                assert pool.submit(drift_tasks.read, "Globals").result(30)[1] == {"mode": mode}
    finally:
        drift_tasks.OPTIONS["mode"] = "from the file"


@every_way
def test_every_way_to_run_tasks_tells(way, method):
    """The parent hears of it on every backend; in threads of its own it hears that none looks."""
    declared = spec("warn")
    thread = method in ("thread", "threading")
    place = os.getcwd()
    try:
        with warnings.catch_warnings(record=True) as got:
            warnings.simplefilter("always", DriftWarning)
            with open_way(way, method, declared, 2) as run:
                run(drift_tasks.leak, ["Cwd"] * 2)
            if way in BOUND_BY_HAND:
                declared.bind(drift_tasks.pid)
        told = [str(w.message) for w in got if issubclass(w.category, DriftWarning)]
    finally:
        os.chdir(place)
    assert in_process(method) or os.getcwd() == place
    wanted = "not checked in threads" if thread else "drift_tasks.leak changed cwd: directory"
    if method.endswith("/task"):  # no other task runs there
        assert told == []
    else:
        assert wanted in told[0]
