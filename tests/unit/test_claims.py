"""Each claim of the replay, judged over recordings made by hand: it must be able to say both."""

from __future__ import annotations

from typing import Any

import pytest

from workerstate.lab import claims
from workerstate.lab.evidence import Observed, parse

PARENT, FIRST, SECOND, THIRD, FOURTH, SERVER = 100, 1, 2, 3, 4, 50


def worker(pid: int, *, kept: bool = False, tasks: tuple[int, ...] = (1,), **birth: Any) -> Any:
    """Give a worker of a document; ``kept``: it was born with the parent's handlers."""
    lost = {"facet": "logging", "key": "root.handlers", "parent": "StreamHandler", "worker": None}
    other = {"facet": "warnings", "key": "filters", "parent": "1", "worker": "2"}
    differences = [other] if kept else [other, lost]
    return {
        "pid": pid,
        "birth": {"differences": differences, "imports": [], **birth},
        "tasks": [{"function": "f", "call": call, "changes": []} for call in tasks],
    }


def observed(
    text: str, workers: list[Any], *, pools: list[Any] | None = None, helpers: Any = ()
) -> Observed:
    """Give a run whose recording agrees with what it printed about imports."""
    printed = parse(text)
    imports: dict[int, set[str]] = {entry["pid"]: set() for entry in workers}
    for line in printed:
        if line.what.startswith("import "):
            imports.setdefault(line.pid, set()).add(line.what.removeprefix("import "))
    document = {"workers": workers, "pools": pools or [], "helpers": list(helpers)}
    return Observed(document, imports, printed)


def verdict_of(name: str, claim: str, seen: Observed) -> claims.Claim:
    """Judge all claims about an experiment and give one of them."""
    judged = claims.judge(name, "a title", seen)
    return next(found for found in judged if found.id == claim)


# --- start methods


def start_method(*, kept: bool, again: bool) -> Observed:
    """Give a run with two workers."""
    lines = [f"import foo pid={PARENT}", f"parent pid={PARENT} handlers=1"]
    for pid in (FIRST, SECOND):
        lines += [f"import foo pid={pid}"] if again else []
        lines += [f"foo.report pid={pid} handlers={int(kept)}"]
    return observed("\n".join(lines), [worker(pid, kept=kept) for pid in (FIRST, SECOND)])


@pytest.mark.parametrize("method", ["spawn", "fork", "forkserver"])
@pytest.mark.parametrize("value", [True, False])
def test_handlers_of_a_start_method(method: str, value: bool) -> None:
    """A fork is said to keep the handlers, the others are said to lose them."""
    found = verdict_of(method, f"{method}-handlers", start_method(kept=value, again=True))
    assert found.verdict == ("holds" if value is (method == "fork") else "differs")
    assert found.reason == f"handlers: 1 in the parent, {int(value)} in each of 2 workers"
    assert found.evidence["handlers_by_pid"] == {FIRST: int(value), SECOND: int(value)}


@pytest.mark.parametrize("method", ["spawn", "fork", "forkserver"])
@pytest.mark.parametrize("value", [True, False])
def test_imports_of_a_start_method(method: str, value: bool) -> None:
    """A fork is said not to import foo again, the others are said to."""
    found = verdict_of(method, f"{method}-import", start_method(kept=True, again=value))
    assert found.verdict == ("holds" if value is not (method == "fork") else "differs")
    assert found.reason == f"imported in the parent and in {2 * value} of 2 workers"


def test_a_fork_server_that_imports_the_main_script_is_named() -> None:
    """Where the server has imported foo for its workers, the reason says so."""
    text = f"parent pid={PARENT} handlers=1\nimport foo pid={PARENT}\nimport foo pid={SERVER}\n"
    text += f"foo.report pid={FIRST} handlers=0"
    helpers = [{"kind": "fork server", "pid": SERVER}]
    seen = observed(text, [worker(FIRST)], helpers=helpers)
    found = verdict_of("forkserver", "forkserver-import", seen)
    assert found.verdict == "differs"
    assert "once in the fork server" in found.reason
    assert "3.13.8 and 3.14.1" in found.reason


def test_no_verdict_where_recording_and_program_disagree() -> None:
    """A worker that prints what the recording does not show leaves the claim unjudged."""
    text = f"parent pid={PARENT} handlers=1\nfoo.report pid={FIRST} handlers=1"
    found = verdict_of("spawn", "spawn-handlers", observed(text, [worker(FIRST, kept=False)]))
    assert (found.verdict, found.evidence) == ("not-run", {})
    assert found.reason == "worker 1 printed 1 handler, but the recording says otherwise"
    silent = observed(text, [worker(FIRST)]).replace(imports={FIRST: {"foo"}})
    assert verdict_of("spawn", "spawn-import", silent).verdict == "not-run"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"parent pid={PARENT} handlers=0", "the parent has no handler"),
        (f"parent pid={PARENT} handlers=1", "the recording shows no worker"),
        ("nothing of ours", "the program did not print what was expected"),
    ],
)
def test_no_verdict_without_evidence(text: str, reason: str) -> None:
    """A run that shows too little leaves its claims unjudged, with the reason."""
    found = verdict_of("spawn", "spawn-handlers", observed(text, []))
    assert found.verdict == "not-run"
    assert found.reason.startswith(reason)


def test_a_worker_without_a_recorded_birth_proves_nothing() -> None:
    """A worker that was ended before it could take a task is left out, not taken for equal."""
    text = f"parent pid={PARENT} handlers=1\nfoo.report pid={FIRST} handlers=0"
    seen = observed(text, [worker(FIRST), worker(SECOND, kept=True, ms=None)])
    found = verdict_of("spawn", "spawn-handlers", seen)
    assert found.verdict == "holds"
    assert found.evidence["kept_at_birth_by_pid"] == {FIRST: False}


# --- joblib: each call is (n_jobs, event, lines of its workers)


def joblib_run(*made: tuple[int, str, str], parent: int = 1) -> Observed:
    """Give a run of joblib calls; a line ``1 foo.report 0`` is one of worker 1, 0 handlers."""
    text = [f"import foo pid={PARENT}", f"import bar pid={PARENT}"]
    served: dict[int, list[int]] = {}
    for number, (n_jobs, _, lines) in enumerate(made, 1):
        rows = [row.split() for row in lines.split(";") if row.strip()]
        tasks = sum(1 for row in rows if row[1] != "import")
        text += [f"call number={number} n_jobs={n_jobs} tasks={tasks}"]
        text += [f"parent pid={PARENT} handlers={parent}"]
        for pid, *words in rows:
            text.append(_line(pid, words))
            calls = served.setdefault(int(pid), [])
            if words[0] != "import" and number not in calls:
                calls.append(number)
    pools = [
        {"call": number, "n_jobs": n_jobs, "event": event, "reason": f"because of {number}"}
        for number, (n_jobs, event, _) in enumerate(made, 1)
    ]
    workers = [worker(pid, tasks=tuple(numbers)) for pid, numbers in served.items()]
    return observed("\n".join(text), workers, pools=pools)


def _line(pid: str, words: list[str]) -> str:
    if words[0] == "import":
        return f"import {words[1]} pid={pid}"
    if words[0].startswith("foo."):
        return f"{words[0]} pid={pid} handlers={words[1]}"
    return f"{words[0]} pid={pid} bar={words[1]} right={words[2]}"


BORN = "1 import foo; 2 import foo; 1 foo.report 0; 2 foo.report 0"
AGAIN = "1 foo.report 0; 2 foo.report 0; 1 foo.report 0"


def test_joblib_handlers() -> None:
    """Workers of joblib are said to start without handlers."""
    seen = joblib_run((2, "created", BORN))
    found = verdict_of("joblib", "joblib-handlers", seen)
    assert found.verdict == "holds"
    assert found.reason == "handlers: 1 in the parent, none in 2 of 2 workers"
    text = "\n".join(
        f"{line.what} " + " ".join(f"{k}={v}" for k, v in line.fields.items())
        for line in seen.printed
    ).replace("foo.report pid=2 handlers=0", "foo.report pid=2 handlers=1")
    other = observed(text, [worker(FIRST), worker(SECOND, kept=True)], pools=seen.document["pools"])
    found = verdict_of("joblib", "joblib-handlers", other)
    assert found.verdict == "differs"
    assert found.reason == "handlers: 1 in the parent, none in 1 of 2 workers"


def test_joblib_import() -> None:
    """New workers are said to import foo once, reused ones never again."""
    good = joblib_run((2, "created", BORN), (2, "reused", AGAIN))
    found = verdict_of("joblib", "joblib-import", good)
    assert (found.verdict, found.evidence["new"]) == ("holds", [FIRST, SECOND])
    again = joblib_run((2, "created", BORN), (2, "reused", "1 import foo; " + AGAIN))
    never = joblib_run((2, "created", "1 import foo; 1 foo.report 0; 2 foo.report 0"))
    for seen, call, pid in ((again, 2, FIRST), (never, 1, SECOND)):
        found = verdict_of("joblib", "joblib-import", seen)
        assert found.verdict == "differs"
        assert [(row["call"], row["pid"]) for row in found.evidence["unexpected"]] == [(call, pid)]


def test_joblib_reuse() -> None:
    """Calls with the same n_jobs are said to use the same workers."""
    good = joblib_run((2, "created", BORN), (2, "reused", AGAIN))
    found = verdict_of("joblib", "joblib-reuse", good)
    assert found.verdict == "holds"
    assert found.reason == "2, 3 tasks: always the same 2 workers"
    replaced = joblib_run(
        (2, "created", BORN), (2, "replaced", "3 import foo; 3 foo.report 0; 4 foo.report 0")
    )
    found = verdict_of("joblib", "joblib-reuse", replaced)
    assert found.verdict == "differs"
    assert found.reason == "call 2 had other workers: because of 2"
    none = joblib_run((2, "created", BORN), (3, "grown", AGAIN))
    assert verdict_of("joblib", "joblib-reuse", none).verdict == "not-run"


def test_joblib_handlers_stay() -> None:
    """A reused worker is said to go on counting its handlers."""
    first = (2, "created", "1 foo.add_handler 1; 2 foo.add_handler 1")
    more = "1 foo.add_handler 2; 2 foo.add_handler 2; 2 foo.add_handler 3"
    found = verdict_of("joblib", "joblib-handlers-stay", joblib_run(first, (2, "reused", more)))
    assert found.verdict == "holds"
    assert found.evidence["handlers_by_pid"] == {FIRST: [1, 2], SECOND: [1, 2, 3]}
    assert found.reason == "handlers after each task of one worker: 1, 2, 3"
    reset = more.replace("1 foo.add_handler 2", "1 foo.add_handler 1")
    found = verdict_of("joblib", "joblib-handlers-stay", joblib_run(first, (2, "reused", reset)))
    assert found.verdict == "differs"
    assert found.evidence["restarted"] == [FIRST]
    new = joblib_run(first, (2, "replaced", "3 foo.add_handler 1"))
    assert verdict_of("joblib", "joblib-handlers-stay", new).verdict == "not-run"


GROWN = (3, "grown", "1 foo.report 0; 3 import foo; 3 foo.report 0")
REPLACED = (3, "replaced", "3 import foo; 3 foo.report 0; 4 import foo; 4 foo.report 0")


@pytest.mark.parametrize("claim", ["joblib-new-workers", "joblib-new-workers-2-3"])
def test_joblib_new_workers(claim: str) -> None:
    """Another n_jobs is said to bring new workers; where it does not, the reason is the rule's."""
    holds = verdict_of("joblib", claim, joblib_run((2, "created", BORN), REPLACED))
    differs = verdict_of("joblib", claim, joblib_run((2, "created", BORN), GROWN))
    assert (holds.verdict, differs.verdict) == ("holds", "differs")
    change = differs.evidence["changes"][0]
    assert (change["n_jobs"], change["event"]) == ([2, 3], "grown")
    assert (change["pids_before"], change["pids"]) == ([FIRST, SECOND], [FIRST, THIRD])
    if claim.endswith("2-3"):
        assert (holds.reason, differs.reason) == ("because of 2", "because of 2")
    else:
        assert differs.reason.startswith("not a law: 1 of 1 change kept workers")


def test_joblib_one_change_that_keeps_workers_breaks_the_law() -> None:
    """One kept pool among the changes is enough against the claim."""
    seen = joblib_run((2, "created", BORN), REPLACED, (4, "grown", "3 foo.report 0"))
    assert verdict_of("joblib", "joblib-new-workers", seen).verdict == "differs"
    assert verdict_of("joblib", "joblib-new-workers-2-3", seen).verdict == "holds"
    assert verdict_of("joblib", "joblib-new-workers-3-4", seen).verdict == "differs"
    assert verdict_of("joblib", "joblib-new-workers-6-2", seen).verdict == "not-run"


def test_joblib_workers_that_contradict_the_pool_leave_no_verdict() -> None:
    """A pool said to be new that is served by old workers can't be judged."""
    seen = joblib_run((2, "created", BORN), (3, "replaced", "1 foo.report 0"))
    found = verdict_of("joblib", "joblib-new-workers", seen)
    assert found.verdict == "not-run"
    assert "said to be replaced, but 1 worker " in found.reason


def test_joblib_bar_function() -> None:
    """Only workers whose task needs a function of bar are said to import it."""
    wanted = (2, "created", "1 import bar; 1 bar_function 1 1; 2 import bar; 2 bar_function 1 1")
    other = (3, "grown", "1 bar_global 1 1; 3 bar_global 0 1")
    found = verdict_of("joblib", "joblib-bar-function", joblib_run(wanted, other))
    assert found.verdict == "holds"
    assert found.reason == "2 of 2 workers with such a task imported it, and 0 of 1 others"
    early = (3, "grown", "3 import bar; 1 bar_global 1 1; 3 bar_global 1 1")
    found = verdict_of("joblib", "joblib-bar-function", joblib_run(wanted, early))
    assert found.verdict == "differs"
    assert found.reason == "imported in call 2, whose tasks need none of its functions"
    never = (2, "created", "1 import bar; 1 bar_function 1 1; 2 bar_function 0 1")
    assert verdict_of("joblib", "joblib-bar-function", joblib_run(never)).verdict == "differs"


def test_joblib_bar_global() -> None:
    """The global is said to arrive in workers that have no bar, and to leave them without."""
    before = (2, "created", "1 import bar; 1 bar_function 1 1")
    good = joblib_run(before, (2, "reused", "1 bar_global 1 1; 2 bar_global 0 1"))
    found = verdict_of("joblib", "joblib-bar-global", good)
    assert found.verdict == "holds"
    assert found.evidence == {"fresh_workers": [SECOND], "right_value": [2], "imported_bar": []}
    for line in ("2 bar_global 1 1", "2 bar_global 0 0"):
        seen = joblib_run(before, (2, "reused", f"1 bar_global 1 1; {line}"))
        assert verdict_of("joblib", "joblib-bar-global", seen).verdict == "differs"
    stale = joblib_run(before, (2, "reused", "1 bar_global 1 1"))
    assert verdict_of("joblib", "joblib-bar-global", stale).verdict == "not-run"


def test_joblib_calls_and_recorded_pools_must_match() -> None:
    """A recording that misses a call, or whose workers differ, is no evidence."""
    seen = joblib_run((2, "created", BORN), GROWN)
    short = seen.replace(document={**seen.document, "pools": seen.document["pools"][:1]})
    found = verdict_of("joblib", "joblib-reuse", short)
    assert found.reason == "the program made 2 calls, recorded are 1"
    workers = [entry for entry in seen.document["workers"] if entry["pid"] != THIRD]
    found = verdict_of("joblib", "joblib-new-workers", seen.replace(
        document={**seen.document, "workers": workers}
    ))  # fmt: skip
    assert found.reason == "in call 2 the workers 1, 3 printed, but the recording shows 1"


def test_an_experiment_that_did_not_run_keeps_its_claims() -> None:
    """Every claim is listed with the reason, none is left out."""
    missing = claims.not_run("joblib", "a title", "there is no joblib")
    assert [claim.id for claim in missing] == [q.id for q in claims.QUESTIONS["joblib"]]
    assert {(claim.verdict, claim.reason) for claim in missing} == {
        ("not-run", "there is no joblib")
    }


def test_claims_have_ids_of_their_own() -> None:
    """An id names one claim."""
    ids = [question.id for questions in claims.QUESTIONS.values() for question in questions]
    assert len(ids) == len(set(ids)) == 17
