"""Unit: what a declaration accepts, refuses and equals. No processes."""

from __future__ import annotations

import copy
import functools
import logging
import multiprocessing
import pickle
import threading

import pytest

import workerstate
from workerstate import (
    BackendUnavailableError,
    CarryWarning,
    Executor,
    NoTaskError,
    Resource,
    SpecError,
    WorkerSpec,
    WorkerStartError,
)

OPTIONS = {"depth": 3}
UNSENDABLE = threading.Lock()


def load():
    return "model"


def unload(model):
    """Nothing to do."""


def prepare(*_):
    """Nothing to do."""


def full():
    return WorkerSpec(
        carry=["logging", "warnings", f"{__name__}:OPTIONS"],
        set={"decimal": {"prec": 9}, "environ": {"DEPTH": "3"}},
        seed=5,
        preload=["json"],
        resources={"model": Resource(load, unload)},
        initializer=prepare,
        teardown=prepare,
    )


WRONG = {
    "a misspelt option": ({"initialiser": prepare}, "did you mean 'initializer'"),
    "a misspelt facet": ({"carry": ["loging"]}, "did you mean 'logging'"),
    "a facet that is shown only": ({"carry": ["threads"]}, "a thread can't be moved"),
    "the random state": ({"carry": ["random"]}, "use seed="),
    "half a name": ({"carry": ["app:"]}, "module:NAME"),
    "a number": ({"carry": [3]}, "takes names"),
    "an unknown facet to set": ({"set": {"warning": {}}}, "did you mean 'warnings'"),
    "an unknown key": ({"set": {"limits": {"recursion_limits": 9}}}, "'recursion_limit'"),
    "a misspelt logging key": ({"set": {"logging": {"app.levl": 9}}}, "did you mean 'level'"),
    "no mapping": ({"set": {"limits": 9}}, "takes a mapping"),
    "a variable that is no text": ({"set": {"environ": {"N": 3}}}, "a variable is a string"),
    "a variable read at the start": ({"set": {"environ": {"PYTHONHASHSEED": "1"}}}, "is read when"),
    "a flag": ({"set": {"flags": {"optimize": 1}}}, "can't be set"),
    "a seed that is no number": ({"seed": "x"}, "a whole number"),
    "a negative seed": ({"seed": -1}, "a whole number"),
    "a lambda": ({"initializer": lambda: None}, "initializer=: a function"),
    "a lock": ({"set": {"app:LOCK": UNSENDABLE}}, "app:LOCK: a lock"),
    "a resource that can't open": ({"resources": {"m": 3}}, "'m'"),
    "a resource of a lambda": ({"resources": {"m": lambda: 1}}, "'m'"),
    "a global that can't be sent": ({"carry": [f"{__name__}:UNSENDABLE"]}, "UNSENDABLE"),
    "an unknown policy": ({"drift": "rest"}, "did you mean 'reset'"),
    "an unknown policy of a facet": ({"drift": {"cwd": "rest"}}, "did you mean 'reset'"),
    "a policy for no facet": ({"drift": {"loging": "warn"}}, "did you mean 'logging'"),
    "a limit that is no size": ({"drift": {"memory": ("warn", "big")}}, "such as '300 MB'"),
    "a limit of what is no amount": ({"drift": {"cwd": ("warn", 3)}}, "memory, fds"),
    "an unknown way when full": ({"on_full": "wait"}, "'block' or 'drop'"),
    "an initializer that can't be called": ({"initializer": 3}, "a function without arguments"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_declaration_is_refused(case):
    """What can't be honoured is refused when it is declared, with a word on what to do."""
    given, word = WRONG[case]
    with pytest.raises(SpecError) as caught:
        WorkerSpec(**given)
    assert word in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_a_name_may_come_later():
    """A global that isn't there yet is no mistake: it may be set before the first task."""
    WorkerSpec(carry=[f"{__name__}:ARGUMENTS", "no_such_module_yet:NAME"])


def test_a_missing_name_is_told_when_it_is_needed():
    """When a task is bound the global must be there; the error names it."""
    spec = WorkerSpec(carry=[f"{__name__}:ARGUMENTS"])
    with pytest.raises(SpecError, match="ARGUMENTS"):
        spec.bind(load)


def test_a_class_that_the_main_module_lacks_is_told_when_it_is_needed():
    """What is set in a class of the main module takes that class, at the latest for a task."""
    spec = WorkerSpec(set={"__main__:NoSuchClass.rate": 5})
    with pytest.raises(SpecError, match="no 'NoSuchClass'; it must have it when tasks are"):
        spec.bind(load)


def test_equal_declarations_are_equal():
    """Specs compare, and hash, by what they declare."""
    assert full() == full()
    assert hash(full()) == hash(full())
    assert copy.copy(full()) == full()


CHANGES = {
    "carry": ["logging"],
    "set": {},
    "seed": 6,
    "preload": [],
    "resources": {"model": Resource(load)},
    "initializer": None,
    "teardown": None,
    "on_full": "drop",
}


@pytest.mark.parametrize("field", CHANGES)
def test_a_different_field_makes_a_different_spec(field):
    """A change of any field makes a spec unequal."""
    assert full().replace(**{field: CHANGES[field]}) != full()


def test_a_function_counts_with_its_code():
    """A function defined anew under its name, as in a notebook, makes a spec unequal."""
    one, two = dict(globals()), dict(globals())
    for number, names in enumerate((one, two)):
        exec(f"def again(): return {number}", names)
    globals()["again"] = one["again"]
    first = WorkerSpec(initializer=one["again"])
    globals()["again"] = two["again"]
    assert WorkerSpec(initializer=two["again"]) != first
    del globals()["again"]


def test_partials_of_equal_parts_are_equal():
    """An initializer made with functools.partial keeps loky's workers too."""
    first, second = (WorkerSpec(initializer=functools.partial(prepare, 1)) for _ in range(2))
    assert first == second
    assert WorkerSpec(initializer=functools.partial(prepare, 2)) != first


def test_a_spec_survives_pickling():
    """A spec that went through a pickle is equal to what it was."""
    assert pickle.loads(pickle.dumps(full())) == full()


def test_a_spec_is_frozen():
    """A spec can't be changed, only replaced."""
    with pytest.raises(AttributeError, match="immutable"):
        full().seed = 4


def test_calls_count_from_zero_in_each_spec():
    """The number of a call belongs to the spec; a copy counts anew."""
    spec = WorkerSpec(seed=1)
    assert [spec.next_call() for _ in range(3)] == [0, 1, 2]
    assert spec.replace().next_call() == 0


def test_the_executor_refuses_what_it_does_not_have():
    """What is unknown, or can't be done where tasks run in this process, is refused in words."""
    for given, word in (
        ({"start_method": "spwan"}, "did you mean 'spawn'"),
        ({"clean": "tasks"}, "did you mean 'task'"),
        ({"clean": "task", "start_method": "thread"}, "can't be a fresh one"),
        ({"timeout": 0}, "more than 0"),
        ({"retries": -1}, "from 0 on"),
        ({"timeout": 5, "start_method": "inline"}, "end a worker, which"),
        ({"start_timeout": 5, "start_method": "thread"}, "end a worker, which"),
        ({"start_timeout": 0}, "more than 0"),
        ({"max_workers": 0}, "from 1 on"),
    ):
        with pytest.raises(SpecError, match=word):
            Executor(**given)


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"start_method": "template"}, "needs Linux"),
        ({"start_method": "spawn", "clean": "call"}, "needs Linux"),
        ({"start_method": "fork", "clean": "task"}, "needs"),
        ({"start_method": "spawn", "retries": 1}, "end a worker, which"),
    ],
)
def test_what_needs_linux_is_refused_elsewhere(monkeypatch, given, word):
    """Where the engine can't be, what it alone can do is an error that says so."""
    monkeypatch.setattr("workerstate.executor.HAS_ENGINE", False)
    with pytest.raises(SpecError, match=word):
        Executor(**given)


def test_an_unknown_start_method_of_multiprocessing_is_refused():
    """So is one in the context's adapter."""
    with pytest.raises(SpecError, match="spwan"):
        WorkerSpec().multiprocessing("spwan")


def test_an_unknown_option_of_joblib_is_refused():
    """Joblib itself would take a misspelt option without a word."""
    with (
        pytest.raises(SpecError, match="did you mean 'n_jobs'"),
        WorkerSpec().joblib(njobs=2),
    ):
        pass


def test_outside_of_a_worker_nobody_is_asked():
    """What only a worker or a task has is not there in the parent, and the error says how to."""
    for ask in (
        workerstate.worker,
        workerstate.rng,
        workerstate.stdlib_rng,
        lambda: workerstate.resource("model"),
    ):
        with pytest.raises(NoTaskError, match=r"spec\.bind"):
            ask()


def test_a_start_error_survives_pickling_with_its_cause():
    """What the parent gets has the worker's exception, and below that its traceback."""
    cause = pickle.dumps(FileNotFoundError("en.bin"))
    error = WorkerStartError(2, 4711, "the initializer", "FileNotFoundError: en.bin", "text", cause)
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)
    assert "worker 2 (pid 4711) could not start: the initializer" in str(again)
    assert isinstance(again.__cause__, FileNotFoundError)
    assert "text" in str(again.__cause__.__cause__)


def test_a_start_error_keeps_its_cause():
    """Executors set an exception's cause to a traceback as text, which is less than this one."""
    error = WorkerStartError(0, 1, "s", "r", "", pickle.dumps(FileNotFoundError("en.bin")))
    error.__cause__ = RuntimeError("text")
    assert isinstance(error.__cause__, FileNotFoundError)


def test_a_start_error_without_a_sendable_cause_has_the_traceback():
    """Where the worker's exception can't be sent, its traceback is the cause."""
    error = WorkerStartError(0, 1, "s", "r", "Traceback...", None)
    assert "Traceback..." in str(error.__cause__)


def test_an_absent_backend_names_the_extra():
    """The error says what to install."""
    text = str(BackendUnavailableError("dask", "dask"))
    assert text == "'dask' is not installed; install it with: pip install workerstate[dask]"


def test_what_a_carried_function_holds_may_change():
    """Settings are the parent's as of now, also where a filter is the same and holds another."""
    held = {"tenant": "a"}
    logger = logging.getLogger("spec.filtered")

    def add_tenant(record):
        record.tenant = held["tenant"]
        return True

    logger.addFilter(add_tenant)
    try:
        spec = WorkerSpec(carry=["logging"])
        before = spec.settings()
        assert spec.settings() == before
        held["tenant"] = "b"
        assert spec.settings() != before
    finally:
        logger.removeFilter(add_tenant)


def test_a_carry_that_takes_long_is_told_of_once(monkeypatch):
    """What each submit reads again for long is named, with its size; once."""
    monkeypatch.setattr("workerstate.carrying.SLOW", -1.0)
    monkeypatch.setitem(OPTIONS, "table", bytes(1_000_000))
    spec = WorkerSpec(carry=["test_spec:OPTIONS"])
    with pytest.warns(CarryWarning, match=r"test_spec:OPTIONS \(1\.0 MB\).*map\(\)") as told:
        [spec.settings() for _ in range(9)]
    assert [each.filename for each in told] == [__file__]


def test_a_lock_of_multiprocessing_says_what_to_do(monkeypatch):
    """It can't be carried; the error names what can."""
    monkeypatch.setattr("test_spec.UNSENDABLE", multiprocessing.get_context("spawn").Lock())
    with pytest.raises(SpecError, match=r"test_spec:UNSENDABLE.*Manager"):
        WorkerSpec(carry=["test_spec:UNSENDABLE"]).settings()
