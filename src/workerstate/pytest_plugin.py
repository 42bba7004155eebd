"""The pytest plugin: tests under each start method, tests that leave nothing, an audit of a run.

    @pytest.mark.each_start_method
    def test_sum(start_method): ...               # once under fork, spawn, forkserver

    @pytest.mark.usefixtures("no_worker_state_left")
    def test_main(): ...                          # fails if it leaves state that workers would see

    pytest --workerstate-audit                    # what the run's tasks would miss in their workers

Nothing is loaded before it is used. Test functions that workers run must be importable there:
pytest puts their folder on the import path unless ``--import-mode=importlib`` is given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

MARKER = "each_start_method"
_FIXTURE = "start_method"
_STATELESS = "no_worker_state_left"
_TARGETS = ("fork", "spawn", "forkserver", "loky")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the audit."""
    group = parser.getgroup("workerstate")
    group.addoption(
        "--workerstate-audit",
        action="store_true",
        help="run the tests under observation, and say what their tasks would miss in workers",
    )
    group.addoption(
        "--workerstate-target",
        action="append",
        choices=_TARGETS,
        default=[],
        help="the start method to audit for (default: those used, and forkserver)",
    )
    # Given to the pytest that is observed, which is not to start another one.
    group.addoption("--workerstate-audited", action="store_true", help="(internal)")


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers",
        f"{MARKER}(*methods): run the test once under each start method, or under those named; "
        f"the fixture {_FIXTURE!r} gives its name, and it is multiprocessing's default meanwhile",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Run the tests under observation, where that is asked for."""
    option = config.option
    if not option.workerstate_audit or option.workerstate_audited or _is_xdist_worker(config):
        return None
    from _pytest.config import create_terminal_writer

    from workerstate.errors import WorkerstateError
    from workerstate.testing import auditing

    arguments = config.invocation_params.args
    try:
        writer = create_terminal_writer(config)
        return auditing.run(list(map(str, arguments)), option.workerstate_target, writer)
    except WorkerstateError as error:
        raise pytest.UsageError(str(error)) from error


def _is_xdist_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Repeat a marked test for each start method."""
    marker = metafunc.definition.get_closest_marker(MARKER)
    if marker is None:
        return
    from workerstate.testing import start_methods

    known = [*start_methods.known(), *start_methods.OTHERS]
    for method in marker.args:
        if method not in known:
            raise pytest.UsageError(
                f"{metafunc.definition.nodeid}: {MARKER}({method!r}): there is no such start "
                f"method here; known: {', '.join(known)}"
            )
    if _FIXTURE not in metafunc.fixturenames:
        metafunc.fixturenames.insert(0, _FIXTURE)
    metafunc.parametrize(_FIXTURE, marker.args or start_methods.known(), indirect=True)


@pytest.fixture
def start_method(request: pytest.FixtureRequest) -> Iterator[str]:
    """Name the start method that is multiprocessing's default in this test.

    With ``@pytest.mark.each_start_method`` the test runs once under each; without, that is the
    default as it is. concurrent.futures follows the default; joblib and loky have their own. A
    name that is none of multiprocessing's (``loky``, ``thread`` ...) is given, and sets nothing.
    """
    from workerstate.testing import start_methods

    method: str = getattr(request, "param", None) or start_methods.current()
    if not hasattr(request, "param") or method in start_methods.OTHERS:
        yield method
        return
    with start_methods.default(method):
        yield method


@pytest.fixture
def no_worker_state_left() -> Iterator[None]:
    """Fail a test that leaves behind, in this process, state that workers or later tests see.

    That is what the facets read (environment, logging, warnings, cwd, options, seeds ...), the
    globals of the program's own modules, threads, processes, open files and sockets. What the
    test's fixtures undo is not left; nor are imports, numbers drawn from a generator, and what
    libraries keep on purpose: the fork server, loky's workers.
    """
    from workerstate.testing.leftovers import Leftovers

    before = Leftovers()
    yield
    found = before.found()
    if found:
        lines = "\n".join(f"  {line}" for line in found)
        pytest.fail(f"the test left state behind that workers would see:\n{lines}", pytrace=False)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have ``no_worker_state_left`` look before a test's other fixtures, and after them.

    Raises:
        UsageError: a test has our marker and can't be repeated.
    """
    for item in items:
        if item.get_closest_marker(MARKER) is not None and not hasattr(item, "callspec"):
            raise pytest.UsageError(
                f"{item.nodeid}: {MARKER} does not work here: pytest can't repeat the tests of "
                "unittest; write a function, or loop over the start methods"
            )
        names: list[str] = getattr(item, "fixturenames", [])
        if _STATELESS in names:
            names.remove(_STATELESS)
            names.insert(_first_of_a_test(item, names), _STATELESS)


def _first_of_a_test(item: pytest.Item, names: list[str]) -> int:
    """Give the place before the first fixture that is made for this test alone."""
    known = getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", {})
    for place, name in enumerate(names):
        if any(getattr(found, "scope", "") == "function" for found in known.get(name, ())[-1:]):
            return place
    return len(names)
