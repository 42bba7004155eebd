"""Each rule speaks where its fault is, and is silent where it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from findings import ALL, Case

from workerstate.observe.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness import Observed, Runner

CASES = [
    pytest.param(
        case,
        id=f"{codes}: {case.name}",
        marks=[
            pytest.mark.skipif(not case.only_if, reason="this fork server does not import main"),
            *([pytest.mark.xfail(reason=case.fault)] if case.fault else []),
        ],
    )
    for codes, cases in ALL.items()
    for case in cases
]


@pytest.mark.parametrize("case", CASES)
def test_finds_the_fault_and_nothing_else(
    case: Case, run_observed: Callable[..., Observed], runner: Runner
) -> None:
    """The program with the fault brings its code, with name and place; its twin brings none."""
    if case.library:
        pytest.importorskip(case.library)
    seen = run_observed(case.source, options=case.options)
    assert seen.document["faults"] == []
    findings = seen.document["findings"]
    assert set(seen.codes) == case.codes, (findings, seen.stderr)
    if case.word:
        assert any(case.word in finding["sentence"] for finding in findings), findings
    if case.line:
        (script,) = runner.command(case.source)
        lines = case.source.splitlines()
        places = [(found["path"], lines[found["line"] - 1]) for found in findings]
        assert places == [(script, case.line)]
    for finding in findings:
        assert finding["name"] == RULES[finding["code"]].name
        assert finding["remedy"]
        assert finding["code"] in seen.stderr


def test_every_rule_has_a_program() -> None:
    """No rule is without a program that it is made for and one that it must leave alone."""
    made_for = {code for cases in ALL.values() for case in cases for code in case.codes}
    assert made_for == set(RULES)
    assert all(any(not case.codes for case in cases) for cases in ALL.values())


# --- findings that fail a run

LEFT = next(case for case in ALL["WS204"] if case.codes)


@pytest.mark.parametrize(
    ("codes", "exit_code"),
    [("WS204", 1), ("WS2", 1), ("ws1,ws204", 1), ("WS1,WS203", 0), ("WS1", 0)],
)
def test_findings_fail_the_run_if_asked_to(
    codes: str, exit_code: int, run_observed: Callable[..., Observed]
) -> None:
    """--fail-on gives exit code 1 for a code or a prefix that was found, else the program's."""
    assert run_observed(LEFT.source, options=("--fail-on", codes)).exit_code == exit_code


def test_a_program_that_fails_keeps_its_exit_code(run_observed: Callable[..., Observed]) -> None:
    """Without a finding of those codes the program's own exit code stays, with --fail-on too."""
    seen = run_observed("raise SystemExit(9)\n", options=("--fail-on", "WS1"))
    assert (seen.exit_code, seen.codes) == (9, [])


def test_unknown_codes_are_refused_before_the_program_runs(
    run_observed: Callable[..., Observed],
) -> None:
    """A code that no rule has is an error that names it; the program is not started."""
    seen = run_observed("print('ran')\n", options=("--fail-on", "WS1,WS999,nonsense"))
    assert (seen.exit_code, seen.stdout, seen.document) == (2, b"", {})
    assert "WS999, NONSENSE" in seen.stderr
    assert "WS101" in seen.stderr
    assert "Traceback" not in seen.stderr
