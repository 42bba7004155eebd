"""Processes: what a script declares of its own main module, under each start method."""

from __future__ import annotations

import importlib.util
import json

import pytest

from workerstate import Executor, WorkerSpec

METHODS = ("fork", "spawn", "forkserver", "loky", "template")
SKIP = {
    "loky": pytest.mark.skipif(importlib.util.find_spec("loky") is None, reason="needs loky"),
}
every_method = pytest.mark.parametrize(
    "method", [pytest.param(m, marks=SKIP.get(m, ())) for m in METHODS]
)
every_way = pytest.mark.parametrize(
    "method", [pytest.param(m, marks=SKIP.get(m, ())) for m in (*METHODS, "thread", "inline")]
)


@pytest.fixture(scope="module")
def run(run_plain):
    """Give what a script printed, as JSON; it must have ended well."""

    def run(program, *args):
        done = run_plain(f"spec/{program}", *args)
        assert done.exit_code == 0, done.stderr
        return json.loads(done.stdout)

    return run


CARRIES = {
    "by the facet": ["contextvars"],
    "by name": ["__main__:TENANT", "__main__:REQUEST"],
}


@every_method
@pytest.mark.parametrize("how", CARRIES)
def test_context_variables_of_a_script(how, method, run):
    """They hold what the parent's hold, with their defaults elsewhere, and no longer than that."""
    found = run("variables.py", method, *CARRIES[how])
    assert found == [["acme", "r1", 7, "nobody's"], ["nobody's", "unset", 0, "nobody's"]]


@every_method
def test_attributes_of_a_class_of_a_script(method, run):
    """A class that tasks bring with them has what was carried and set, in each task."""
    assert run("classes.py", method) == [[2, "fast"], [2, "fast"], [3, "fast"], [3, "fast"]]


@every_way
@pytest.mark.parametrize("carry", ["loguru", "all"])
def test_logurus_logger_of_a_script(carry, method, run):
    """A logger goes by its name, with what was bound to it; levels and context come along."""
    pytest.importorskip("loguru")
    same, lines = run("loguru_script.py", method, carry)
    assert same == [True, True]
    assert lines == 2 * [
        "INFO global {'run': 'r7'}",
        "INFO bound {'run': 'r7', 'shard': 3}",
        "AUDIT sent {'run': 'r7', 'job': 'j1'}",
    ]


def test_a_logger_that_a_program_hands_over_is_as_ever(run):
    """A logger whose sinks go to a process that is started takes them along, declared or not."""
    pytest.importorskip("loguru")
    assert run("loguru_enqueue.py") == ["from a process"]


def bound_in_structlog(_item=None):
    from structlog.contextvars import get_contextvars

    return get_contextvars()


@every_way
def test_what_structlog_has_bound(method):
    """``structlog`` brings what bind_contextvars has bound as well, until it is unbound."""
    structlog = pytest.importorskip("structlog")
    spec = WorkerSpec(carry=["structlog"])
    context = structlog.contextvars
    try:
        with Executor(1, spec=spec, start_method=method) as pool:
            context.bind_contextvars(run_id="r-77", user="ada")
            assert pool.submit(bound_in_structlog).result(60) == {"run_id": "r-77", "user": "ada"}
            context.unbind_contextvars("user")
            assert pool.submit(bound_in_structlog).result(60) == {"run_id": "r-77"}
            context.clear_contextvars()
            assert pool.submit(bound_in_structlog).result(60) == {}
    finally:
        context.clear_contextvars()


def test_what_a_fork_copies_of_structlogs_is_unbound():
    """A forked worker doesn't keep what the parent has unbound since."""
    structlog = pytest.importorskip("structlog")
    context = structlog.contextvars
    context.bind_contextvars(run_id="old")
    try:
        with Executor(1, start_method="fork") as pool:
            pool.submit(bound_in_structlog).result(60)
            context.clear_contextvars()
            bound = WorkerSpec(carry=["structlog"]).bind(bound_in_structlog)
            assert pool.submit(bound).result(60) == {}
    finally:
        context.clear_contextvars()


@every_method
def test_what_a_script_has_put_into_logging(method, run):
    """Methods, functions, a logger class, a record factory and filters are there in workers."""
    seen, left = run("logging_script.py", method)
    assert left == [False, False]
    assert seen == [
        ["TRACE", "nameless", "r7", "acme"],
        ["TRACE", "named", "r7", "acme"],
        ["TRACE", "module", "r7", None],
        ["TRACE", "constant", "r7", None],
        ["WARNING", "CLASS", "r7", "acme"],
        ["WARNING", "long enough", "r7", None],
    ]
