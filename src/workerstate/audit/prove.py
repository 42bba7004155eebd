"""Runs a program without and with the declaration that answers its findings, and compares.

The program's files stay as they are. The declaration travels with the workers (see
``observe.trial``), and each worker says what it then has of what its parent had.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workerstate.audit.remedy import asked_about
from workerstate.observe import declare
from workerstate.observe.launch import observe
from workerstate.observe.reading import read
from workerstate.values import Value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workerstate.audit.finding import Inherited
    from workerstate.audit.remedy import Remedy

PROVEN, DIFFERENT, BEYOND, UNSEEN = "proven", "still different", "can't be repaired", "not shown"
_LATER = " (what the parent changes later, only tasks that are bound to the spec bring)"
_MOST_OUTPUT = 64 * 1024  # bytes of a program's output, the last ones


class Ran(Value):
    """How the program did in one run.

    Attributes:
        exit_code: the shell's; None if it was stopped at the timeout.
        stdout: its last lines.
        stderr: its last lines.
        methods: the start methods of its workers, each once.
        workers: how many there were.
    """

    exit_code: int | None
    stdout: tuple[str, ...]
    stderr: tuple[str, ...]
    methods: tuple[str, ...]
    workers: int


class Verdict(Value):
    """What came of one finding, in a word and a sentence."""

    finding: Inherited
    verdict: str
    text: str


class Proof(Value):
    """The two runs under one start method, and what came of each finding.

    Where nothing can be declared the program is not run again, and there are no runs. ``refused``
    has what could not be carried, with the reason.
    """

    target: str
    before: Ran | None
    after: Ran | None
    verdicts: tuple[Verdict, ...]
    refused: tuple[tuple[str, str], ...] = ()


def prove(
    command: list[str],
    remedy: Remedy,
    target: str,
    *,
    timeout: float,
    python: str | None = None,
    flags: list[str] | None = None,
) -> Proof:
    """Run the program twice under ``target``: without the declaration, and with it.

    A program that starts its workers by another method has them by ``target`` here, loky's
    excepted: those are always loky's.

    Args:
        command: what follows the interpreter.
        remedy: what is declared.
        target: the start method.
        timeout: seconds after which a run is stopped.
        python: the interpreter; this one by default.
        flags: interpreter options that go before the command.

    Raises:
        UsageError: the interpreter can't be used.
    """
    remedy = remedy.about(target)
    if not remedy.declares:
        said = (Verdict(finding, BEYOND, reason) for finding, reason in remedy.beyond)
        return Proof(target, None, None, tuple(said))
    trial = _trial(remedy)
    bare = {**trial, "carry": [], "preload": [], "anew": []}
    runs = []
    with tempfile.TemporaryDirectory(prefix="workerstate-") as folder:
        for number, plan in enumerate((bare, trial)):
            place = Path(folder, str(number))
            place.mkdir()
            Path(place, "trial.json").write_text(json.dumps(plan), "utf-8")
            seed = 0 if remedy.seeded and plan is trial else None
            declared = declare.setting(
                "", seed, target, always=True, trial=str(place / "trial.json")
            )
            runs.append(_run(command, place, declared, timeout, python=python, flags=flags))
    (before, without), (after, answers) = runs
    verdicts = tuple(_verdicts(remedy, without, answers))
    return Proof(target, before, after, verdicts, tuple(answers.uncarried.items()))


def _trial(remedy: Remedy) -> dict[str, Any]:
    ask = [asked_about(finding, name) for finding, name in remedy.carry]
    ask += [*remedy.modules, *(["seed"] if remedy.seeded else [])]
    return {
        "carry": list(remedy.names),
        "preload": list(remedy.modules),
        "anew": [[o.module, o.name, o.expression] for o in remedy.openings],
        "ask": list(dict.fromkeys(ask)),
    }


class _Answers:
    """What the workers of one run said, by name."""

    def __init__(self, folder: str) -> None:
        self.rows: dict[str, list[tuple[str, str | None, bool]]] = defaultdict(list)
        self.uncarried: dict[str, str] = {}
        self.opened: dict[str, int] = defaultdict(int)
        self.undeclared: list[str] = []
        self.methods: dict[str, None] = {}
        self.workers = 0
        for process in read(folder).processes:
            method = (process.bootstrap or {}).get("method")
            for event in process.others:
                self._take(event, method)

    def _take(self, event: dict[str, Any], method: str | None) -> None:
        if event["ev"] == "trial":
            self.workers += 1
            self.methods[str(method)] = None
            for name, parent, worker, same in event["rows"]:
                self.rows[name].append((parent, worker, same))
        elif event["ev"] == "uncarried":
            self.uncarried[event["name"]] = event["reason"]
        elif event["ev"] == "anew":
            self.opened[event["name"]] += 1
        elif event["ev"] == "undeclared":
            self.undeclared.append(event["reason"])


def _run(
    command: list[str],
    place: Path,
    declared: str,
    timeout: float,
    **options: Any,
) -> tuple[Ran, _Answers]:
    folder = str(place / "recording")
    with (place / "stdout").open("w+b") as out, (place / "stderr").open("w+b") as err:
        try:
            done = observe(
                command,
                folder=folder,
                declared=declared,
                stdout=out,
                stderr=err,
                timeout=timeout,
                **options,
            )
            code: int | None = done.exit_code
        except subprocess.TimeoutExpired:
            code = None
        answers = _Answers(folder)
        said = (_last_lines(out), _last_lines(err))
    return Ran(code, *said, tuple(answers.methods), answers.workers), answers


def _last_lines(file: Any) -> tuple[str, ...]:
    file.seek(0, 2)
    file.seek(max(0, file.tell() - _MOST_OUTPUT))
    text: str = file.read().decode(errors="replace")
    return tuple(line for line in text.splitlines() if line.strip())


def _verdicts(remedy: Remedy, without: _Answers, answers: _Answers) -> Iterator[Verdict]:
    asked = [(finding, asked_about(finding, name), name) for finding, name in remedy.carry]
    asked += [(finding, name, name) for finding, name in remedy.preload]
    asked += [(finding, "seed", "seed") for finding in remedy.seeded]
    for finding, question, name in asked:
        yield _verdict(finding, question, name, without, answers)
    for finding, opening in remedy.anew:
        yield _opened(finding, opening.full, answers)
    for finding, reason in remedy.beyond:
        yield Verdict(finding, BEYOND, reason)


def _verdict(
    finding: Inherited, question: str, name: str, without: _Answers, answers: _Answers
) -> Verdict:
    if name in answers.uncarried:
        return Verdict(finding, BEYOND, answers.uncarried[name])
    rows = answers.rows[question]
    wrong = next((row for row in rows if not row[2]), None)
    if wrong is not None:
        text = f"the parent has {wrong[0]}, a worker {wrong[1] or 'nothing there'}"
        return Verdict(finding, DIFFERENT, "; ".join([text, *answers.undeclared[:1]]))
    if not rows:
        reason = answers.undeclared[0] if answers.undeclared else "no worker was asked for it"
        return Verdict(finding, UNSEEN, reason)
    here = f"{_workers(len(rows))} had {rows[0][1]}, as the parent"
    was = next((row[1] or "nothing there" for row in without.rows[question] if not row[2]), None)
    if was is None:
        return Verdict(finding, UNSEEN, f"{here}, but so it was without the declaration{_LATER}")
    return Verdict(finding, PROVEN, f"{here}; before: {was}")


def _opened(finding: Inherited, name: str, answers: _Answers) -> Verdict:
    count = answers.opened[name]
    if count and count >= answers.workers:
        return Verdict(finding, PROVEN, f"{_workers(count)} opened it anew")
    if answers.workers == 0:
        return Verdict(finding, UNSEEN, "no worker was asked for it")
    reason = answers.undeclared[0] if answers.undeclared else f"{count} of {answers.workers} did"
    return Verdict(finding, DIFFERENT, f"not every worker opened it anew: {reason}")


def _workers(count: int) -> str:
    return "1 worker" if count == 1 else f"{count} workers"
