"""Processes: the tests that Python has for its own process pools, run on our executor.

What differs is listed below, each with its reason; a test that is listed and passes is an error.
All run on the template here, and on another start method with

    STDLIB_SUITE_METHOD=spawn python -m pytest tests/processes/test_stdlib_suite.py
"""

from __future__ import annotations

import functools
import importlib
import os
import subprocess
import sys

import pytest
from stdlib_executor import ProcessPoolExecutor, made

from workerstate import WorkerDiedError
from workerstate.errors import TaskReadError
from workerstate.pickling_errors import ResultError

INSIDE = "it looks at the inside of ProcessPoolExecutor"
CLEAN = "it is about max_tasks_per_child; here clean= says how long a worker lives"
EXITS = "sys.exit in a task is WorkerDiedError: SystemExit would end the program that waits for it"
DIFFERENT = {
    "ProcessPoolExecutorTest.test_idle_process_reuse_multiple": INSIDE,
    "ProcessPoolExecutorTest.test_idle_process_reuse_one": INSIDE,
    "ProcessPoolExecutorTest.test_killed_child": INSIDE,
    "ProcessPoolExecutorTest.test_saturation": INSIDE,
    "ProcessPoolExecutorTest.test_max_tasks_early_shutdown": CLEAN,
    "ProcessPoolExecutorTest.test_max_tasks_per_child": CLEAN,
    "ProcessPoolExecutorTest.test_max_tasks_per_child_defaults_to_spawn_context": CLEAN,
    "ProcessPoolExecutorTest.test_max_workers_negative": "the ValueError has other words",
    "ProcessPoolExecutorTest.test_traceback": "the cause is a WorkerTracebackError",
    "ProcessPoolExecutorTest.test_python_finalization_error": (
        "it has the pool's second thread fail; there is one"
    ),
    "ProcessPoolShutdownTest.test_hang_gh83386": (
        "its program does not import what it uses; it is not meant to be run for processes"
    ),
    "ProcessPoolShutdownTest.test_processes_terminate": INSIDE,
    "FailingInitializerMixin.test_initializer": (
        "it sends a queue with the initializer, which must be pickled; that a failing one is told "
        "by WorkerStartError is a law of its own"
    ),
    "ExecutorDeadlockTest.test_exit_during_func_exec_on_worker": EXITS,
    "ExecutorDeadlockTest.test_exit_during_result_pickle_on_worker": EXITS,
    "ExecutorDeadlockTest.test_shutdown_deadlock_pickle": INSIDE,
}
# Python's pool breaks; ours fails the task alone, and goes on.
NOT_BROKEN = (WorkerDiedError, TaskReadError, ResultError)


def stdlib(name):
    """Give a module of Python's own tests for executors; one file holds them all in 3.10."""
    package = "test.test_concurrent_futures"
    try:
        whole = importlib.import_module(package)
        return importlib.import_module(f"{package}.{name}") if hasattr(whole, "__path__") else whole
    except ImportError:
        pytest.skip(f"this Python does not ship {package}", allow_module_level=True)


util, shutdown, deadlock = stdlib("util"), stdlib("test_shutdown"), stdlib("test_deadlock")
MIXINS = [
    stdlib("test_process_pool").ProcessPoolExecutorTest,
    shutdown.ProcessPoolShutdownTest,
    stdlib("test_wait").WaitTests,
    stdlib("test_as_completed").AsCompletedTests,
    stdlib("test_init").InitializerMixin,
    stdlib("test_init").FailingInitializerMixin,
    deadlock.ExecutorDeadlockTest,
]


class OnOurs(util.ExecutorMixin):
    """Makes our executor for each test."""

    executor_type = ProcessPoolExecutor
    worker_count = 3
    ctx = "spawn"


def program(flag, source):
    """Run a program that makes our executor where it says it makes Python's."""
    source = source.replace("from concurrent.futures import", "from stdlib_executor import")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-X", "faulthandler", flag, source]
    done = subprocess.run(command, env=env, capture_output=True, timeout=60, check=True)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(autouse=True)
def _ours(monkeypatch):
    monkeypatch.setattr(shutdown, "assert_python_ok", program)
    monkeypatch.setattr(deadlock, "BrokenProcessPool", NOT_BROKEN)
    yield
    for each in list(made):  # of tests that failed, as they should
        each.shutdown()


def differing(function, reason):
    """Give a test that must fail, without marking the one that Python has."""

    @functools.wraps(function)
    def test(self):
        function(self)

    return pytest.mark.xfail(reason=reason, strict=True)(test)


def on_ours(mixin):
    """Give a class of Python's tests, on our executor."""
    made = type(mixin.__name__, (mixin, OnOurs, util.BaseTestCase), {})
    for name, reason in DIFFERENT.items():
        kind, _, test = name.partition(".")
        if kind == mixin.__name__ and hasattr(mixin, test):
            setattr(made, test, differing(getattr(mixin, test), reason))
    return made


for each in MIXINS:
    globals()[f"Test{each.__name__}"] = on_ours(each)
