"""The replay, run for real: its verdicts on few and on many processors, its outputs and errors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from workerstate.observe.pool_rule import THREAD_VARIABLES

joblib = pytest.importorskip("joblib")

VERSION = tuple(int(part) for part in joblib.__version__.split(".")[:2])
# From here on the fork server imports the main script, once.
SERVER_IMPORTS_MAIN = sys.version_info >= (3, 14, 1) or (3, 13, 8) <= sys.version_info < (3, 14)


def replay(*options: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run ``workerstate replay`` as a user would, without a terminal."""
    environ = {k: v for k, v in os.environ.items() if k not in THREAD_VARIABLES}
    environ.pop("LOKY_MAX_CPU_COUNT", None)
    return subprocess.run(
        [sys.executable, "-m", "workerstate", "replay", *options],
        env={**environ, **more},
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )


def claims_of(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    """Give the claims of a replay with ``--json -``, by id."""
    assert done.returncode == 0, done.stderr
    return {claim["id"]: claim for claim in json.loads(done.stdout)["claims"]}


ALWAYS = (
    "spawn-handlers",
    "spawn-import",
    "fork-handlers",
    "fork-import",
    "forkserver-handlers",
    "joblib-handlers",
    "joblib-import",
    "joblib-reuse",
    "joblib-handlers-stay",
    "joblib-bar-function",
    "joblib-bar-global",
)


def check_common(found: dict[str, dict[str, Any]]) -> None:
    """Check what holds with any number of processors."""
    for name in ALWAYS:
        assert found[name]["verdict"] == "holds", found[name]
    forkserver = found["forkserver-import"]
    assert forkserver["verdict"] == ("differs" if SERVER_IMPORTS_MAIN else "holds")
    counts = found["joblib-handlers-stay"]["evidence"]["handlers_by_pid"].values()
    assert all(numbers[:4] == [1, 2, 3, 4] for numbers in counts)
    assert len(counts) == 2
    # A new worker was there that had not imported bar when the global came.
    assert found["joblib-bar-global"]["evidence"]["fresh_workers"]


def test_with_eight_processors_new_workers_come() -> None:
    """As the original experiment found: 2, 3, 6 and 2 workers again are each time new ones."""
    found = claims_of(replay("--json", "-", "--cpus", "8"))
    check_common(found)
    for change, was, threads in (("2-3", 4, "2 threads"), ("3-6", 2, "1 thread")):
        claim = found[f"joblib-new-workers-{change}"]
        assert claim["verdict"] == "holds"
        wanted = f"cpu_count 8 // n_jobs {change[-1]} = {threads}, was {was}: new pool"
        assert claim["reason"] == wanted
        for row in claim["evidence"]["changes"]:
            assert not set(row["pids"]) & set(row["pids_before"])
    assert found["joblib-new-workers-3-4"]["verdict"] == "differs"
    assert found["joblib-new-workers"]["verdict"] == "differs"
    assert found["joblib-new-workers"]["evidence"]["cpu_count"] == 8


def test_with_two_processors_workers_stay() -> None:
    """The same calls on two processors: the pool is grown, and its workers keep their state."""
    found = claims_of(replay("--json", "-", "--cpus", "2"))
    check_common(found)
    claim = found["joblib-new-workers-2-3"]
    assert claim["verdict"] == "differs"
    assert "grown, the first 2 workers stay" in claim["reason"]
    assert "max(cpu_count 2 // n_jobs 3, 1) = 1 thread, as before" in claim["reason"]
    for row in claim["evidence"]["changes"]:
        assert set(row["pids"]) & set(row["pids_before"])
    six = found["joblib-new-workers-3-6"]
    if VERSION >= (1, 5):
        assert six["verdict"] == "holds"
        assert six["reason"].startswith("n_jobs 6 > queue size 5")
    else:
        assert six["verdict"] == "differs"


def test_shows_a_table_that_needs_no_other_reading(tmp_path: Path) -> None:
    """Without options: versions, one line for each claim, and a line for each experiment."""
    target = tmp_path / "claims.json"
    done = replay("--json", str(target))
    assert done.returncode == 0
    document = json.loads(target.read_text())
    assert set(document) == {"schema", "environment", "claims"}
    text = " ".join(done.stdout.split())
    assert f"Python {document['environment']['python']}" in text
    assert f"joblib {joblib.__version__}" in text
    assert "holds: it is so here." in text
    for claim in document["claims"]:
        assert set(claim) == {"id", "experiment", "claim", "verdict", "reason", "evidence"}
        assert claim["evidence"]
    holds, differs = counted(document, "holds"), counted(document, "differs")
    assert f"{holds + differs} claims: {holds} holds, {differs} differs" in text
    assert "workerstate replay --cpus 8" in text
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("workerstate: ")]
    assert [line.split()[1] for line in lines] == ["1/4", "2/4", "3/4", "4/4"]


def counted(document: dict[str, Any], verdict: str) -> int:
    """Count the claims with a verdict."""
    return sum(1 for claim in document["claims"] if claim["verdict"] == verdict)


def test_quiet_json_leaves_stdout_to_the_document() -> None:
    """With ``--json -`` the table goes to stderr; with ``-q`` no progress is shown."""
    done = replay("--json", "-", "-q")
    json.loads(done.stdout)
    assert "workerstate: " not in done.stderr
    assert "what was seen" in done.stderr


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    """Neither recordings nor temporary files stay."""
    done = replay("-q", TMPDIR=str(tmp_path))
    assert done.returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == []


@pytest.mark.parametrize("value", ["0", "-1", "two", "", "1.5"])
def test_refuses_a_number_of_processors_that_is_none(value: str) -> None:
    """A wrong ``--cpus`` is an error of use, before anything runs."""
    done = replay(f"--cpus={value}")
    assert done.returncode == 2
    assert "is not a whole number from 1 on" in done.stderr


def test_a_joblib_that_can_not_be_imported_leaves_its_claims_open(tmp_path: Path) -> None:
    """Without joblib its claims are listed as not run, the others are judged; exit code 2."""
    (tmp_path / "joblib.py").write_text("raise ImportError('none here')")
    done = replay("-q", "--json", "-", PYTHONPATH=path_with(tmp_path))
    assert done.returncode == 2
    verdicts = {c["id"]: c for c in json.loads(done.stdout)["claims"]}
    assert verdicts["spawn-handlers"]["verdict"] == "holds"
    assert verdicts["joblib-reuse"]["verdict"] == "not-run"
    assert "pip install joblib" in verdicts["joblib-reuse"]["reason"]


def test_a_program_that_fails_leaves_its_claims_open(tmp_path: Path) -> None:
    """A failure in the program under test is said with its last words."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nif 'forkserver' in sys.argv: sys.exit('no fork server today')"
    )
    done = replay("-q", "--json", "-", PYTHONPATH=path_with(tmp_path))
    assert done.returncode == 2
    verdicts = {c["id"]: c for c in json.loads(done.stdout)["claims"]}
    assert verdicts["fork-handlers"]["verdict"] == "holds"
    failed = verdicts["forkserver-handlers"]
    assert failed["verdict"] == "not-run"
    assert failed["reason"].startswith("the program ended with exit code 1")
    assert "no fork server today" in failed["reason"]


def path_with(folder: Path) -> str:
    """Give PYTHONPATH with a folder before what it holds."""
    return os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))


@pytest.mark.slow
def test_a_version_that_can_not_be_had_is_an_error(tmp_path: Path) -> None:
    """Without an index ``--joblib`` fails with one sentence and exit code 2."""
    none = {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": ""}
    done = replay("--joblib", "1.3.2", XDG_CACHE_HOME=str(tmp_path), **none)
    assert done.returncode == 2
    assert "the package index can't be reached" in done.stderr
    assert "Traceback" not in done.stderr
    assert list((tmp_path / "workerstate" / "environments").iterdir()) == []


@pytest.mark.slow
@pytest.mark.skipif(sys.version_info >= (3, 14), reason="joblib 1.3.2 is older than this Python")
def test_an_old_joblib_gives_the_old_answer(tmp_path: Path) -> None:
    """With joblib 1.3.2 six workers grow out of three on two processors: no queue size counts."""
    options = ("--json", "-", "--joblib", "1.3.2", "--cpus", "2")
    done = replay(*options, XDG_CACHE_HOME=str(tmp_path))
    if "can't be reached" in done.stderr:
        pytest.skip("no package index here")
    found = claims_of(done)
    assert json.loads(done.stdout)["environment"]["joblib"] == "1.3.2"
    assert found["joblib-new-workers-3-6"]["verdict"] == "differs"
    assert "grown" in found["joblib-new-workers-3-6"]["reason"]
