"""Programs after public reports: what `run` says of them, and `run --carry` repairs.

Each prints ``RESULT: OK`` or ``RESULT: BAD``; the reports are named in ``REPORTED``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness import Observed


class Report(NamedTuple):
    """A program, what repairs it, and start methods with the codes that they must bring."""

    carry: str
    starts: dict[str, set[str]]


REPORTED = {
    # jruere/multiprocessing-logging#10: lines are missing from rotating files
    "rotating_file": Report("logging", {"spawn": {"WS101"}, "loky": {"WS101"}}),
    # MIT-PSFC/disruption-py#546: a logger's method is missing, results turn NaN
    "custom_level": Report("logging,logging:Logger.success", {"fork": set(), "spawn": {"WS101"}}),
    # logging set up again by the initializer: each line twice
    "initializer_logs": Report("logging", {"fork": {"WS104"}, "spawn": set()}),
    # dictConfig with loggers of the program's own that don't propagate
    "own_loggers": Report("logging", {"fork": set(), "spawn": {"WS101"}, "loky": {"WS101"}}),
    # python/cpython#135583: mocks are lost
    "mocks": Report(
        "environ,client:Client.get,client:RETRIES,client:now",
        {"fork": set(), "spawn": {"WS103"}, "loky": {"WS103"}},
    ),
    # joblib/joblib#1591: the parent's warning filters don't hold
    "warnings_as_errors": Report("warnings", {"fork": set(), "spawn": {"WS102"}}),
    # a request's id is its default in workers
    "context_variable": Report("__main__:REQUEST", {"fork": set(), "forkserver": {"WS103"}}),
    # wmayner/pyphi#38, osbrain#256: a configuration object is as its module makes it
    "settings_object": Report("settings:*", {"spawn": {"WS103"}, "loky": {"WS103"}}),
    # options that the run() of a Process subclass reads
    "process_subclass": Report(
        "__main__:DEBUG,__main__:LIMITS", {"fork": set(), "spawn": {"WS103"}}
    ),
    # a background thread writes in the parent only
    "writer_thread": Report("", {"fork": {"WS503"}, "spawn": set()}),
    # nothing is wrong
    "every_call": Report("all", {"fork": set(), "spawn": set(), "forkserver": set()}),
    "initializer_arguments": Report("all", {"fork": set(), "spawn": set()}),
}


def runs(*, repaired: bool) -> Iterator[tuple[str, str]]:
    """Give program and start method."""
    for name, report in REPORTED.items():
        for start in report.starts:
            if report.carry or not repaired:
                yield name, start


@pytest.fixture
def run_reported(run_observed: Callable[..., Observed]) -> Callable[..., Observed]:
    """Give the function that runs one of the programs."""

    def run(name: str, start: str, *options: str) -> Observed:
        if start == "loky":
            pytest.importorskip("loky")
        program = f"reported/{name}/program.py"
        seen = run_observed(program, options=options, env={"START": start})
        assert seen.document["faults"] == [], seen.document["faults"]
        assert {worker["start_method"] for worker in seen.workers} == {start}
        return seen

    return run


@pytest.mark.parametrize(("name", "start"), [*runs(repaired=False)])
def test_what_is_said(name: str, start: str, run_reported: Callable[..., Observed]) -> None:
    """Where the program fails it is said why; where it does not, nothing is."""
    seen = run_reported(name, start, "--values")
    codes = REPORTED[name].starts[start]
    assert (b"RESULT: OK" in seen.stdout) == (not codes), seen.stdout
    assert set(seen.codes) == codes, seen.document["findings"]


@pytest.mark.parametrize(("name", "start"), [*runs(repaired=True)])
def test_repaired(name: str, start: str, run_reported: Callable[..., Observed]) -> None:
    """With what it needs carried, the untouched program is right, and nothing is found."""
    seen = run_reported(name, start, "--carry", REPORTED[name].carry)
    assert b"RESULT: OK" in seen.stdout, (seen.stdout, seen.document["not_observed"])
    assert seen.codes == [], seen.document["findings"]
