"""Processes: joblib's calls on our own workers."""

from __future__ import annotations

import os
import pickle
import signal
import threading
import warnings
from multiprocessing import TimeoutError as JoblibTimeoutError

import backend_tasks
import pytest

from workerstate import Executor, SpecError, WorkerDiedError, WorkerSpec

joblib = pytest.importorskip("joblib")
delayed, Parallel = joblib.delayed, joblib.Parallel
CLEAN = ("never", "call", "task")


def calls(fn, items, *rest):
    return [delayed(fn)(item, *rest) for item in items]


@pytest.fixture(params=CLEAN)
def clean(request):
    return request.param


@pytest.mark.parametrize("return_as", ["list", "generator", "generator_unordered"])
def test_every_way_to_return_gives_every_result(return_as, clean):
    """Lists, generators and unordered generators give each task's result once."""
    with WorkerSpec().joblib(n_jobs=2, clean=clean):
        found = list(Parallel(return_as=return_as)(calls(backend_tasks.add_one, range(12))))
    assert (sorted(found) if return_as == "generator_unordered" else found) == list(range(1, 13))


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("batch_size", ["auto", 3])
def test_a_clean_task_is_alone(n_jobs, batch_size):
    """With clean="task" no task meets another one's state, in whatever batches, at one job too."""
    with WorkerSpec().joblib(n_jobs=n_jobs, clean="task"):
        found = Parallel(batch_size=batch_size)(calls(backend_tasks.leave_behind, range(9)))
    assert {before for before, _ in found} == {0}
    assert len({pid for _, pid in found} - {os.getpid()}) == 9


def test_a_call_has_fresh_workers():
    """With clean="call" each Parallel call has workers of its own, and its tasks share them."""
    with WorkerSpec().joblib(n_jobs=2, clean="call"):
        found = [Parallel()(calls(backend_tasks.leave_behind, range(8))) for _ in range(2)]
    first, second = ({pid for _, pid in call} for call in found)
    assert not first & second
    assert max(before for before, _ in found[1]) < 8
    assert len(first) <= 2 >= len(second)


def test_workers_live_on_between_calls():
    """With clean="never" two Parallel objects of one block share their workers."""
    with WorkerSpec().joblib(n_jobs=2, start_method="template"):
        found = [Parallel()(calls(backend_tasks.leave_behind, range(8))) for _ in range(2)]
    assert len({pid for call in found for _, pid in call}) <= 2


def test_one_job_runs_in_a_worker():
    """At one job too tasks run in a worker, whose death does not end the program."""
    with WorkerSpec().joblib(n_jobs=1, start_method="template"):
        assert os.getpid() not in Parallel()(calls(backend_tasks.leave_pid, range(2)))
        with pytest.raises(WorkerDiedError):
            Parallel()(calls(backend_tasks.die_at, range(2), 1))
        assert Parallel()(calls(backend_tasks.add_one, range(2))) == [1, 2]


def test_a_death_names_the_function(clean):
    """A task that ends its process is named by its own function, not by joblib's batch."""
    with WorkerSpec().joblib(n_jobs=2, clean=clean):
        with pytest.raises(WorkerDiedError, match=r"task backend_tasks\.die_at.*exit code 7"):
            Parallel()(calls(backend_tasks.die_at, range(20), 3))
        with pytest.raises(WorkerDiedError, match=r"one of a batch of|die_at: worker"):
            Parallel(batch_size=5)(calls(backend_tasks.die_at, range(20), 3))
        assert Parallel()(calls(backend_tasks.add_one, range(4))) == [1, 2, 3, 4]


def test_an_error_keeps_what_was_declared(clean):
    """After a task raised, a managed Parallel goes on, on workers with the same declaration."""
    spec = WorkerSpec(set={"environ": {"OMP_NUM_THREADS": "5"}})
    with spec.joblib(n_jobs=2, clean=clean), Parallel() as parallel:
        for _ in range(2):
            with pytest.raises(KeyError):
                parallel(calls(backend_tasks.fail_at, range(20), 3))
            assert parallel(calls(backend_tasks.threads, range(4))) == ["5"] * 4


def test_an_error_ends_the_tasks_that_run(clean, tmp_path):
    """When a task raises, those that run are killed: the call does not wait for them."""
    path = str(tmp_path / "never made")
    tasks = [delayed(backend_tasks.wait_for_a_file)(path), delayed(backend_tasks.fail_at)(1, 1)]
    with WorkerSpec().joblib(n_jobs=2, clean=clean):
        with pytest.raises(KeyError):
            Parallel()(tasks)
        assert Parallel()(calls(backend_tasks.add_one, range(4))) == [1, 2, 3, 4]


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("return_as", ["list", "generator", "generator_unordered"])
def test_a_task_that_takes_too_long_ends_the_call(return_as, n_jobs, tmp_path):
    """Parallel(timeout=...) raises joblib's TimeoutError, and kills what runs."""
    path = str(tmp_path / "never made")
    with WorkerSpec().joblib(n_jobs=n_jobs, start_method="template"):
        with pytest.raises(JoblibTimeoutError):
            list(
                Parallel(timeout=0.05, return_as=return_as)(
                    calls(backend_tasks.wait_for_a_file, [path] * 3)
                )
            )
        assert Parallel()(calls(backend_tasks.add_one, range(4))) == [1, 2, 3, 4]


def test_a_generator_that_is_dropped_ends_its_tasks(tmp_path):
    """Who takes no more results has the tasks that run killed, and the block ends."""
    path = str(tmp_path / "never made")
    tasks = [delayed(backend_tasks.add_one)(1), delayed(backend_tasks.wait_for_a_file)(path)]
    with WorkerSpec().joblib(n_jobs=2, start_method="template"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # joblib's own word on it
        results = Parallel(return_as="generator")(tasks)
        assert next(results) == 2
        del results


def test_two_calls_at_a_time_do_not_mix():
    """A call made while another one's generator is read gives its own results; both end."""
    with WorkerSpec(seed=1).joblib(n_jobs=2, start_method="template"):
        outer = Parallel(return_as="generator")(calls(backend_tasks.add_one, range(30)))
        found = []
        for number in outer:
            found.append(number)
            if number % 10 == 0:
                assert Parallel()(calls(backend_tasks.add_one, range(3))) == [1, 2, 3]
    assert found == list(range(1, 31))


def test_tasks_come_from_a_generator_that_fails():
    """What the iterable of tasks raises is raised by the call."""

    def tasks():
        yield from calls(backend_tasks.add_one, range(40))
        raise LookupError("no more")

    with WorkerSpec().joblib(n_jobs=2, start_method="template"):
        with pytest.raises(LookupError, match="no more"):
            Parallel()(tasks())
        assert Parallel()(calls(backend_tasks.add_one, range(4))) == [1, 2, 3, 4]


def test_calls_in_tasks_use_threads():
    """A task's own Parallel calls run in threads of its worker."""
    with WorkerSpec().joblib(n_jobs=2, start_method="template"):
        found = Parallel()(calls(backend_tasks.nested, [4] * 2))
    assert found == [("ThreadingBackend", True)] * 2


def test_a_task_may_name_the_backend():
    """In a task the backend is known by name, and has workers of its own."""
    with WorkerSpec().joblib(n_jobs=2, start_method="template"):
        assert Parallel()(calls(backend_tasks.named, [3, 2])) == [[1, 2, 3], [1, 2]]


def test_libraries_get_their_share_of_the_cores(monkeypatch):
    """Workers may use as many threads as joblib says, by number of jobs or as it is asked."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with WorkerSpec().joblib(n_jobs=2, start_method="template"):
        shared = Parallel()(calls(backend_tasks.threads, range(2)))
    with WorkerSpec().joblib(n_jobs=2, start_method="template", inner_max_num_threads=3):
        asked = Parallel()(calls(backend_tasks.threads, range(2)))
    assert shared == [str(max(joblib.cpu_count() // 2, 1))] * 2
    assert asked == ["3"] * 2


def test_random_numbers_are_those_of_an_executor(clean):
    """Tasks draw what they draw in an Executor, whatever the number of jobs and the batches."""
    import spec_workers

    drawn = []
    for n_jobs in (1, 2):
        with WorkerSpec(seed=9).joblib(n_jobs=n_jobs, clean=clean):
            drawn.append(Parallel()(calls(spec_workers.draw, range(9))))
    with Executor(2, spec=WorkerSpec(seed=9), start_method="inline") as pool:
        drawn.append(list(pool.map(spec_workers.draw, range(9))))
    assert drawn[0] == drawn[1] == drawn[2]


def test_by_name_without_a_block():
    """Registered, the backend can be named; its workers end with the Parallel object."""
    from workerstate.backends.joblib import register

    register()
    parallel = Parallel(n_jobs=2, backend="workerstate", clean="task")
    found = parallel(calls(backend_tasks.leave_behind, range(4)))
    assert {before for before, _ in found} == {0}
    del parallel
    with joblib.parallel_config("workerstate", n_jobs=2, spec=WorkerSpec(seed=3)):
        assert Parallel()(calls(backend_tasks.add_one, range(4))) == [1, 2, 3, 4]
        with pytest.warns(UserWarning, match="n_jobs=1"):
            Parallel(n_jobs=1)(calls(backend_tasks.add_one, range(1)))


def test_the_number_of_jobs_is_read_as_joblib_reads_it():
    """Zero is an error, -1 every core; without a number, every core too."""
    with WorkerSpec().joblib(start_method="template"):
        assert joblib.effective_n_jobs(-1) == joblib.cpu_count()
        assert Parallel()._effective_n_jobs() == joblib.cpu_count()
        with pytest.raises(ValueError, match="n_jobs == 0"):
            Parallel(n_jobs=0)(calls(backend_tasks.add_one, range(1)))


def test_below_threads_no_workers_are_nested():
    """In a thread of another Parallel call the backend runs one task at a time, with a warning."""
    found = []
    with WorkerSpec().joblib(n_jobs=2, start_method="template"):
        backend, _ = joblib.parallel.get_active_backend()
        backend.nesting_level = 1

        def ask():
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always")
                found.extend([backend.effective_n_jobs(4), [str(w.message) for w in told]])

        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
        backend.nesting_level = 0
    assert found[0] == 1
    assert "cannot be nested below threads" in found[1][0]


def test_it_can_be_pickled():
    """As joblib asks of a backend: a copy has the same options."""
    with WorkerSpec(seed=4).joblib(n_jobs=2, clean="task"):
        backend, _ = joblib.parallel.get_active_backend()
        copy = pickle.loads(pickle.dumps(backend))
    assert copy.workers.given == {"clean": "task"}
    assert copy.workers.spec == WorkerSpec(seed=4)


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"start_method": "template", "backend": "loky"}, "leave the backend out"),
        ({"start_method": "thread"}, "backend='threading'"),
        ({"clean": "tusk"}, "did you mean 'task'"),
        ({"clean": "task", "idle_worker_timeout": 3}, "end with the block"),
        ({"claen": "task"}, "clean"),
    ],
)
def test_what_cannot_be_is_told(given, word):
    """Options that contradict each other, or are not there, are errors, not silence."""
    with pytest.raises(SpecError, match=word), WorkerSpec().joblib(n_jobs=2, **given):
        Parallel()(calls(backend_tasks.add_one, range(2)))


def test_a_misspelt_option_of_parallel_is_told():
    """Parallel takes any keyword for its backend; this one knows which it has."""
    block = WorkerSpec().joblib(n_jobs=2, start_method="template")
    with block, pytest.raises(SpecError, match="initialiser"):
        Parallel(initialiser=print)(calls(backend_tasks.add_one, range(2)))


def test_retries_run_a_task_again_that_died(tmp_path):
    """With retries= a task is sent by itself, and run again when its worker has died."""
    with WorkerSpec().joblib(n_jobs=2, retries=1):
        assert Parallel()(calls(die_once, range(6), str(tmp_path))) == list(range(6))


def die_once(number, folder):
    mark = os.path.join(folder, str(number))
    if number % 2 and not os.path.exists(mark):
        open(mark, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.parametrize("clean", ["never", "task"])
def test_scikit_learn_runs_unchanged(clean):
    """A grid search in the block finds what it finds without it."""
    pytest.importorskip("sklearn")
    numpy = pytest.importorskip("numpy")
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import GridSearchCV, cross_val_score

    features = numpy.arange(60.0).reshape(20, 3) ** 0.5
    wanted = features.sum(axis=1)
    search = GridSearchCV(Ridge(), {"alpha": [0.1, 1.0, 10.0]}, cv=3)
    plain = search.fit(features, wanted).cv_results_["mean_test_score"]
    scores = cross_val_score(Ridge(), features, wanted, cv=3)
    with WorkerSpec(preload=["sklearn.linear_model"]).joblib(n_jobs=2, clean=clean):
        found = search.fit(features, wanted).cv_results_["mean_test_score"]
        assert list(cross_val_score(Ridge(), features, wanted, cv=3)) == list(scores)
    assert list(found) == list(plain)
