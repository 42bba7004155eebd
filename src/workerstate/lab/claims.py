"""The claims the project began with: each a sentence, and a function that judges it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal

from workerstate.lab import joblib_claims, start_method_claims
from workerstate.lab.evidence import MissingEvidence, Observed
from workerstate.lab.verdict import Verdict
from workerstate.values import Value

Judge = Callable[[Observed], Verdict]


class Claim(Value):
    """A claim and what became of it here.

    ``id`` is stable, ``experiment`` the title of the run that was looked at. ``verdict`` is
    ``not-run`` where the experiment could not be run or did not show enough. ``reason`` is one
    sentence for a reader; ``evidence`` holds the numbers seen.
    """

    id: str
    experiment: str
    claim: str
    verdict: Literal["holds", "differs", "not-run"]
    reason: str
    evidence: Mapping[str, Any]


class Question(Value):
    """A claim that is not judged yet."""

    id: str
    claim: str
    judge: Judge


def _start_method(method: str, *, handlers: bool, again: bool) -> tuple[Question, ...]:
    """Give the two claims about a start method, as its workers are said to behave."""
    return (
        Question(
            f"{method}-handlers",
            "Workers have the log handlers of their parent."
            if handlers
            else "Workers start without the log handlers of their parent.",
            partial(start_method_claims.handlers, expected=handlers),
        ),
        Question(
            f"{method}-import",
            "Each worker imports the module foo again."
            if again
            else "Workers do not import the module foo again.",
            partial(start_method_claims.imports, expected=again),
        ),
    )


_JOBLIB = (
    Question(
        "joblib-handlers",
        "Workers start without the log handlers of their parent.",
        joblib_claims.handlers,
    ),
    Question(
        "joblib-import",
        "New workers import the module foo again, reused ones do not.",
        joblib_claims.imports,
    ),
    Question(
        "joblib-reuse",
        "Calls with the same n_jobs use the same workers, however many tasks they have.",
        joblib_claims.reuse,
    ),
    Question(
        "joblib-handlers-stay",
        "A reused worker still has the handlers that tasks of earlier calls added.",
        joblib_claims.handlers_stay,
    ),
    Question(
        "joblib-new-workers",
        "A call with another n_jobs brings new workers.",
        joblib_claims.new_workers,
    ),
    *(
        Question(
            f"joblib-new-workers-{old}-{new}",
            f"A call with n_jobs {new} after one with n_jobs {old} brings new workers.",
            partial(joblib_claims.new_workers_at, old=old, new=new),
        )
        for old, new in ((2, 3), (3, 6), (6, 2), (3, 4))
    ),
    Question(
        "joblib-bar-function",
        "A worker imports the module bar only when a task needs a function of it.",
        joblib_claims.bar_function,
    ),
    Question(
        "joblib-bar-global",
        "A plain global of bar reaches the worker by value, without importing bar.",
        joblib_claims.bar_global,
    ),
)

QUESTIONS: Mapping[str, tuple[Question, ...]] = {
    "spawn": _start_method("spawn", handlers=False, again=True),
    "fork": _start_method("fork", handlers=True, again=False),
    "forkserver": _start_method("forkserver", handlers=False, again=True),
    "joblib": _JOBLIB,
}


def judge(name: str, title: str, observed: Observed) -> list[Claim]:
    """Judge every claim about the experiment ``name`` by what was observed of it."""
    claims = []
    for question in QUESTIONS[name]:
        try:
            verdict = question.judge(observed)
        except MissingEvidence as missing:
            claims.append(_not_run(question, title, str(missing)))
            continue
        claims.append(
            Claim(
                question.id,
                title,
                question.claim,
                "holds" if verdict.holds else "differs",
                verdict.reason,
                verdict.evidence,
            )
        )
    return claims


def not_run(name: str, title: str, reason: str) -> list[Claim]:
    """Give every claim about an experiment that could not be run."""
    return [_not_run(question, title, reason) for question in QUESTIONS[name]]


def _not_run(question: Question, title: str, reason: str) -> Claim:
    return Claim(question.id, title, question.claim, "not-run", reason, {})
