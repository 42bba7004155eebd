"""Runs the experiments the project began with, under observation, and judges the claims."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workerstate.errors import RecordingError
from workerstate.lab.claims import Claim, judge, not_run
from workerstate.lab.environments import Environment
from workerstate.lab.evidence import Observed, parse
from workerstate.observe.document import document
from workerstate.observe.launch import observe
from workerstate.observe.reading import read
from workerstate.values import Value

SCHEMA = 1
PROGRAMS = Path(__file__).parent / "programs"
# An experiment takes a few seconds; one that hangs must not hang us.
LIMIT_S = 180.0


class Experiment(Value):
    """One run of the program under test; ``command`` is a file of ``programs`` and arguments."""

    name: str
    title: str
    command: tuple[str, ...]


EXPERIMENTS = (
    Experiment(
        "spawn", "multiprocessing, start method spawn", ("with_multiprocessing.py", "spawn")
    ),
    Experiment("fork", "multiprocessing, start method fork", ("with_multiprocessing.py", "fork")),
    Experiment(
        "forkserver",
        "multiprocessing, start method forkserver",
        ("with_multiprocessing.py", "forkserver"),
    ),
    Experiment("joblib", "joblib, nine calls on its own workers (loky)", ("with_joblib.py",)),
)


class Progress(Value):
    """How far the replay is: ``title`` begins, or, with ``claims``, has ended."""

    done: int
    total: int
    title: str
    claims: tuple[Claim, ...] = ()


def replay(environment: Environment, *, cpus: int | None = None) -> Iterator[Progress]:
    """Run every experiment; give the progress, with the judged claims as each run ends.

    Args:
        environment: the interpreter to run them with, and what it has.
        cpus: make the programs believe that the machine has so many processors.
    """
    total = len(EXPERIMENTS)
    for done, experiment in enumerate(EXPERIMENTS):
        yield Progress(done, total, experiment.title)
        claims = run(experiment, environment, cpus=cpus)
        yield Progress(done + 1, total, experiment.title, tuple(claims))


def run(
    experiment: Experiment, environment: Environment, *, cpus: int | None = None
) -> list[Claim]:
    """Run one experiment and judge the claims about it."""
    if experiment.name == "joblib" and environment.joblib is None:
        reason = (
            f"joblib can't be imported ({environment.trouble}); install it: pip install joblib, "
            "or let one be installed apart: workerstate replay --joblib 1.5.3"
        )
        return not_run(experiment.name, experiment.title, reason)
    observed = _observe(experiment, environment, cpus)
    if isinstance(observed, str):
        return not_run(experiment.name, experiment.title, observed)
    return judge(experiment.name, experiment.title, observed)


def result(environment: Environment, claims: list[Claim], *, cpus: int | None) -> dict[str, Any]:
    """Give the document of a replay: what ``--json`` writes and the table shows."""
    return {
        "schema": SCHEMA,
        "environment": {**environment.as_dict(), "simulated_cpus": cpus},
        "claims": [
            {
                "id": claim.id,
                "experiment": claim.experiment,
                "claim": claim.claim,
                "verdict": claim.verdict,
                "reason": claim.reason,
                "evidence": claim.evidence,
            }
            for claim in claims
        ],
    }


def _observe(experiment: Experiment, environment: Environment, cpus: int | None) -> Observed | str:
    """Run the program and read what it left; give the reason where there is nothing to read."""
    script, *arguments = experiment.command
    with tempfile.TemporaryDirectory(prefix="workerstate-replay-") as folder:
        output, errors = Path(folder, "stdout"), Path(folder, "stderr")
        recording = str(Path(folder, "recording"))
        with output.open("wb") as stdout, errors.open("wb") as stderr:
            try:
                finished = observe(
                    [str(PROGRAMS / script), *arguments],
                    python=environment.executable,
                    folder=recording,
                    cpus=cpus,
                    stdout=stdout,
                    stderr=stderr,
                    timeout=LIMIT_S,
                )
            except subprocess.TimeoutExpired:
                return f"the program did not end within {LIMIT_S:.0f} s"
        if finished.exit_code:
            lines = errors.read_text(errors="replace").strip().splitlines() or ["no message"]
            return f"the program ended with exit code {finished.exit_code}: {lines[-1]}"
        try:
            seen, processes = document(recording), read(recording).processes
        except RecordingError as error:
            return str(error)
        imports = {p.pid: frozenset(str(entry[0]) for entry in p.imports) for p in processes}
        return Observed(seen, imports, parse(output.read_text(errors="replace")))
