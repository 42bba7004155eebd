"""Processes: joblib's own holes, which a block of a spec closes."""

from __future__ import annotations

import threading
from unittest import mock

import pytest
import spec_workers

from workerstate import Executor, Resource, WorkerSpec

joblib = pytest.importorskip("joblib")
delayed, Parallel = joblib.delayed, joblib.Parallel
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@pytest.fixture(autouse=True)
def _end_workers():
    yield
    from joblib.externals.loky import get_reusable_executor

    get_reusable_executor().shutdown(wait=True)
    spec_workers.OPTIONS["depth"] = 1


def calls(count, fn=spec_workers.options):
    return [delayed(fn)(number) for number in range(count)]


BACKENDS = ["loky", "threading", "multiprocessing", "sequential"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_aborted_call_leaves_nothing_to_the_next(backend):
    """After a task raised, the same Parallel object gives the results of its own call alone."""
    with WorkerSpec().joblib(n_jobs=4, backend=backend):
        parallel = Parallel()
        with pytest.raises(KeyError):
            parallel(delayed(spec_workers.fail_at)(number, 2) for number in range(40))
        assert parallel(delayed(abs)(number) for number in range(5)) == [0, 1, 2, 3, 4]


def test_a_task_that_raised_does_not_cost_the_declaration():
    """After an error in a managed Parallel the next call's workers still start as declared."""
    spec = WorkerSpec(resources={"name": Resource(spec_workers.a_name)})
    with spec.joblib(n_jobs=2), Parallel() as parallel:
        with pytest.raises(KeyError):
            parallel(delayed(spec_workers.fail_at)(number, 2) for number in range(8))
        assert parallel(calls(4, spec_workers.named)) == ["a name"] * 4


def test_a_parallel_that_names_its_backend_is_in_the_block_too():
    """So is one with options of its own, which joblib's configuration would not reach."""
    spec_workers.OPTIONS["depth"] = 5
    with WorkerSpec(carry=["spec_workers:OPTIONS"]).joblib(n_jobs=1):
        found = Parallel(n_jobs=2, backend="loky")(calls(4))
    assert [depth for _, depth in found] == [5] * 4


def test_another_thread_is_in_the_only_block():
    """Joblib's configuration is the thread's own; the only block that is open is everyone's."""
    spec_workers.OPTIONS["depth"] = 6
    found = []
    with WorkerSpec(carry=["spec_workers:OPTIONS"]).joblib():
        thread = threading.Thread(
            target=lambda: found.extend(Parallel(n_jobs=2, backend="loky")(calls(4)))
        )
        thread.start()
        thread.join()
    assert [depth for _, depth in found] == [6] * 4


def test_two_threads_with_two_specs_do_not_mix():
    """Each thread's tasks run as that thread's block declares, on whosever workers."""
    wrong = []

    def work(depth):
        spec = WorkerSpec(set={"spec_workers:OPTIONS": {"depth": depth}})
        with spec.joblib(n_jobs=2, backend="loky"):
            for _ in range(4):
                found = Parallel()(calls(6))
                wrong.extend(each for _, each in found if each != depth)

    threads = [threading.Thread(target=work, args=(depth,)) for depth in (10, 20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("return_as", ["list", "generator"])
def test_the_number_of_jobs_changes_nothing(return_as):
    """Random numbers are the same with one job and with more, and in an executor."""
    drawn = []
    for n_jobs in (1, 2, 3):
        with WorkerSpec(seed=9).joblib(n_jobs=n_jobs):
            drawn.append(list(Parallel(return_as=return_as)(calls(9, spec_workers.draw))))
    with Executor(2, spec=WorkerSpec(seed=9), start_method="fork") as pool:
        drawn.append(list(pool.map(spec_workers.draw, range(9))))
    assert drawn[1:] == drawn[:-1]
    assert len(set(drawn[0])) == 9


def test_parallel_is_itself_again_after_the_last_block():
    """Nothing stays changed in joblib when no block is open."""
    before = Parallel.__call__
    with WorkerSpec().joblib(), WorkerSpec().joblib():
        assert Parallel.__call__ is not before
    assert Parallel.__call__ is before
    with mock.patch.object(joblib, "parallel_config", side_effect=OSError), pytest.raises(OSError):
        WorkerSpec().joblib(n_jobs=2).__enter__()
    assert Parallel.__call__ is before


def test_scikit_learns_own_n_jobs_is_in_the_block():
    """What scikit-learn runs inside runs in workers that started as declared."""
    pytest.importorskip("sklearn")
    numpy = pytest.importorskip("numpy")
    from sklearn.dummy import DummyClassifier
    from sklearn.model_selection import cross_val_score

    features = numpy.arange(40.0).reshape(20, 2)
    spec = WorkerSpec(preload=["spec_workers"], resources={"name": spec_workers.a_name})
    with spec.joblib(n_jobs=2, backend="loky"):
        found = cross_val_score(
            DummyClassifier(), features, [0, 1] * 10, scoring=spec_workers.score_by_name
        )
    assert list(found) == [1.0] * 5
