"""The table of a replay's verdicts."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from workerstate.report import verdicts

ENVIRONMENT = {
    "python": "3.11.7",
    "platform": "Linux x86_64",
    "cpus": 2,
    "joblib": "1.6.0",
    "loky": "3.6.0",
    "simulated_cpus": None,
}


def claim(name: str, verdict: str, experiment: str = "spawn") -> dict[str, Any]:
    """Give one claim of a document."""
    texts = {"claim": f"Sentence of {name} [bold].", "reason": f"Reason of {name}."}
    return {"id": name, "experiment": experiment, "verdict": verdict, "evidence": {}, **texts}


def rendered(claims: list[dict[str, Any]], *, quiet: bool = False, **more: Any) -> str:
    """Render a document as somebody without a terminal sees it."""
    out = io.StringIO()
    console = Console(file=out, width=160, highlight=False)
    document = {"environment": {**ENVIRONMENT, **more}, "claims": claims}
    verdicts.render(document, console, quiet=quiet)
    return out.getvalue()


def test_each_claim_stands_with_its_verdict_and_reason() -> None:
    """One row per claim, in order, below the name of its experiment; no markup is obeyed."""
    text = rendered([claim("a", "holds"), claim("b", "differs"), claim("c", "not-run", "joblib")])
    rows = [line.split() for line in text.splitlines() if "Sentence" in line]
    assert rows == [
        f"Sentence of {name} [bold]. {verdict} Reason of {name}.".split()
        for name, verdict in (("a", "holds"), ("b", "differs"), ("c", "not-run"))
    ]
    lines = [line.strip() for line in text.splitlines()]
    assert lines.index("spawn") < lines.index("joblib")
    assert "3 claims: 1 holds, 1 differs, 1 not-run" in lines


def test_says_what_it_ran_on() -> None:
    """The first line names Python, joblib, the processors and the system."""
    first = rendered([claim("a", "holds")]).splitlines()[0]
    assert first == (
        "workerstate replay: Python 3.11.7, joblib 1.6.0 (loky 3.6.0), 2 processors, Linux x86_64"
    )
    simulated = rendered([claim("a", "holds")], simulated_cpus=8, joblib=None).splitlines()[0]
    assert simulated == (
        "workerstate replay: Python 3.11.7, 8 processors simulated, 2 real, Linux x86_64"
    )


def test_words_for_newcomers_come_with_the_table_unless_quiet() -> None:
    """The introduction explains the verdicts; how to see other answers is said where it helps."""
    loud, quiet = rendered([claim("a", "holds")]), rendered([claim("a", "holds")], quiet=True)
    simulated = rendered([claim("a", "holds")], simulated_cpus=8)
    for text, introduced, hinted in ((loud, True, True), (simulated, True, False), (quiet, 0, 0)):
        assert ("differs: it is not, and why." in text) == introduced
        assert ("replay --cpus 8" in text) == hinted
        assert "1 claim: 1 holds" in text
