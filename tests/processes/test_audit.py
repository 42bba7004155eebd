"""`workerstate audit` on whole programs: the reported cases, and programs that misbehave."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from test_cases import CASES, strings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness import Finished, Runner

AUDITED = ("11_args", "14_class", "19_module", "20_mock", "29_dynamic", "39_http", "42_lock")
STARTS = ("fork", "spawn", "forkserver")
SLOW = ("39_http_session_shared", "42_lock_held_at_fork")
NEEDS = {"39_http_session_shared": "requests"}


def audit(
    runner: Runner, program: str | list[str], *options: str, env: dict[str, str] | None = None,
    cwd: Path | None = None, timeout: float = 90,
) -> tuple[Finished, list[dict[str, Any]]]:  # fmt: skip
    """Audit a program; give how that ended, and the findings."""
    from harness import environment

    command = [
        *(sys.executable, "-m", "workerstate", "audit", "--output-format", "json"),
        *(*options, *runner.command(program)),
    ]
    done = runner.finish(command, env=environment(env), cwd=cwd or runner.work, timeout=timeout)
    return done, json.loads(done.stdout) if done.stdout else []


def names(rows: list[dict[str, Any]]) -> set[str]:
    return {row["name"] for row in rows}


def reported() -> Iterator[tuple[str, str, bool]]:
    """Give each case with a start method, and whether it fails there."""
    for folder in sorted(CASES.glob("[0-9]*")) if CASES.is_dir() else ():
        if folder.name.startswith(AUDITED):
            text = (folder / "case.toml").read_text()
            failing = {start.partition(" ")[0] for start in strings(text, "fails_under")}
            for start in ("fork", "spawn") if folder.name in SLOW else STARTS:
                yield folder.name, start, start in failing


@pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not beside the checkout")
@pytest.mark.parametrize(("case", "start", "fails"), [*reported()])
def test_reported_failure(runner: Runner, case: str, start: str, fails: bool) -> None:
    """Every name is found under the method that fails, none under one that does not."""
    if importlib.util.find_spec(NEEDS.get(case, "os")) is None:
        pytest.skip(f"needs {NEEDS[case]}")
    text = (CASES / case / "case.toml").read_text()
    done, rows = audit(
        runner, [str(CASES / case / "case.py")], "--target", start,
        env={"START": start}, cwd=CASES / case,
    )  # fmt: skip
    assert names(rows) == (set(strings(text, "audit_must_name")) if fails else set())
    assert done.exit_code == (1 if fails else 0)


FINE = """
import multiprocessing as mp

LIMIT = 1


def task(number):
    return number + LIMIT


if __name__ == "__main__":
    print("of the program")
    with mp.get_context("fork").Pool(1) as pool:
        print(pool.map(task, [1, 2]))
"""
LOST = FINE.replace('    print("of the program")', "    LIMIT = 2")


def test_nothing_lost(runner: Runner) -> None:
    """A program whose tasks have all they read has no finding, and exit code 0."""
    done, rows = audit(runner, FINE)
    assert (done.exit_code, rows) == (0, [])


def test_streams(runner: Runner) -> None:
    """Stdout has the findings alone; what the program prints goes to stderr."""
    done, rows = audit(runner, LOST)
    assert done.exit_code == 1
    assert names(rows) == {"__main__.LIMIT"}
    assert "[3, 4]" in done.stderr
    assert b"[3, 4]" not in done.stdout


def test_what_a_finding_says(runner: Runner) -> None:
    """A finding has the nine fields, with the lines that set and that read."""
    _, (row,) = audit(runner, LOST, "--target", "spawn")
    path = runner.command(LOST)[0]
    assert list(row) == [
        *("code", "name", "kind", "task", "where_set", "where_read"),
        *("parent", "worker", "remedy"),
    ]
    lines = LOST.splitlines()
    assert row["where_set"] == f"{path}:{lines.index('    LIMIT = 2') + 1}"
    assert row["where_read"] == f"{path}:{lines.index('    return number + LIMIT') + 1}"
    assert (row["code"], row["task"]) == ("WS511", "__main__:task")
    assert (row["parent"], row["worker"]) == ("2", "1")


def test_second_call(runner: Runner) -> None:
    """What the parent sets between two calls of the same task is found too."""
    program = LOST.replace("    LIMIT = 2", "").replace(
        "        print(pool.map(task, [1, 2]))",
        "        pool.map(task, [1])\n        LIMIT = 2\n        pool.map(task, [1])",
    )
    _, rows = audit(runner, program, "--target", "spawn")
    assert names(rows) == {"__main__.LIMIT"}


def test_program_that_fails(runner: Runner) -> None:
    """What was seen of a program that fails is told, and that it failed."""
    done, rows = audit(runner, LOST + "    raise SystemExit(3)\n")
    assert names(rows) == {"__main__.LIMIT"}
    assert "exit code 3" in done.stderr


def test_program_without_tasks(runner: Runner) -> None:
    """A program that submits nothing is told so."""
    done, rows = audit(runner, "print(1)\n")
    assert (done.exit_code, rows) == (0, [])
    assert "no task was seen" in done.stderr


def test_program_that_never_ends(runner: Runner) -> None:
    """A program is stopped at the timeout, with its workers, and what was seen is told."""
    program = LOST + "    import threading\n    threading.Event().wait()\n"
    done, rows = audit(runner, program, "--timeout", "6")
    assert names(rows) == {"__main__.LIMIT"}
    assert "had not ended after 6 s" in done.stderr


def test_script_that_is_not_there(runner: Runner) -> None:
    """What can't be run is refused, with exit code 2."""
    done = runner.cli("audit", "nowhere.py")
    assert done.exit_code == 2
    assert "no such script" in done.stderr


UNGUARDED = """
import multiprocessing as mp


def task(number):
    return number


with mp.get_context("fork").Pool(1) as pool:
    print(pool.map(task, [1]))
open("ran", "a").write("x")
"""


def test_unguarded(runner: Runner) -> None:
    """A script without a guard is told of, and not run a second time."""
    ran = runner.work / "ran"
    ran.unlink(missing_ok=True)
    _, rows = audit(runner, UNGUARDED, "--target", "spawn")
    assert [(row["code"], row["name"]) for row in rows] == [("WS520", "__main__")]
    assert ran.read_text() == "x"


ONCE = """
import multiprocessing as mp
import os
import pathlib

mark = pathlib.Path(f"once-{os.getppid()}")
if os.environ.setdefault("ONCE", str(os.getpid())) != str(os.getpid()):
    raise RuntimeError("imported twice")


def task(number):
    return number


if __name__ == "__main__":
    with mp.get_context("fork").Pool(1) as pool:
        pool.map(task, [1])
"""


def test_main_that_imports_once(runner: Runner) -> None:
    """A main module that can't be imported again is a finding."""
    _, rows = audit(runner, ONCE, "--target", "spawn")
    assert [row["code"] for row in rows] == ["WS520"]
    assert "imported twice" in rows[0]["worker"]


MANY = """
import multiprocessing as mp
from concurrent.futures import ProcessPoolExecutor

LIMIT = 1
for number in range(100_000):
    globals()[f"name_{number}"] = [number]


def task(number):
    return number + LIMIT + len(name_77)


if __name__ == "__main__":
    LIMIT = 2
    name_77.append(1)
    with ProcessPoolExecutor(2, mp_context=mp.get_context("fork")) as pool:
        for number in range(5_000):
            pool.submit(task, number)
"""


@pytest.mark.slow
def test_many_names_and_tasks(runner: Runner) -> None:
    """A large program has what its task reads told, and no more."""
    done, rows = audit(runner, MANY, "--target", "spawn")
    assert names(rows) == {"__main__.LIMIT", "__main__.name_77"}
    assert done.exit_code == 1


HOSTILE = """
import multiprocessing as mp
import time


class Hostile:
    def __eq__(self, other): raise RuntimeError
    def __hash__(self): raise RuntimeError
    def __repr__(self): raise RuntimeError
    def __reduce__(self): raise RuntimeError
    def __bool__(self): raise RuntimeError
    def __getattr__(self, name): raise RuntimeError
    @property
    def __class__(self): raise RuntimeError


class Slow:
    def __eq__(self, other): time.sleep(1000)
    def __repr__(self): time.sleep(1000)
    def __reduce__(self): time.sleep(1000)
    __hash__ = None


HELD = [Hostile(), Slow()]
LIMIT = 1


def task(number):
    return number + LIMIT + len(HELD)


if __name__ == "__main__":
    LIMIT = 2
    HELD.append(Hostile())
    with mp.get_context("fork").Pool(1) as pool:
        print(pool.map(task, [1]))
"""


def test_hostile_objects(runner: Runner) -> None:
    """Objects that refuse to be looked at, or take for ever, are not asked."""
    done, rows = audit(runner, HOSTILE, "--target", "spawn")
    assert names(rows) == {"__main__.LIMIT", "__main__.HELD"}
    assert "[6]" in done.stderr


def test_pytest(runner: Runner) -> None:
    """The tests of a project are audited like any program."""
    folder = runner.folder / "project"
    folder.mkdir()
    (folder / "app.py").write_text("OPTION = 1\n\n\ndef task(number):\n    return OPTION\n")
    (folder / "test_app.py").write_text(
        "import multiprocessing as mp\nimport app\n\n\n"
        "def test_it(monkeypatch):\n"
        "    monkeypatch.setattr(app, 'OPTION', 2)\n"
        "    with mp.get_context('fork').Pool(1) as pool:\n"
        "        assert pool.map(app.task, [1]) == [2]\n"
    )
    _, rows = audit(
        runner, ["pytest", "-q", "-p", "no:cacheprovider"], "--target", "spawn", cwd=folder
    )
    assert names(rows) == {"app.OPTION"}


AT_IMPORT = """
import multiprocessing as mp
import random
import sys

generator = random.Random()


def task(number):
    return generator.random()


if __name__ == "__main__":
    with mp.get_context("forkserver").Pool(2) as pool:
        drawn = pool.map(task, range(2), chunksize=1)
        again = pool.map(task, range(20), chunksize=1)
    # On standard error: whether two workers drew the same.
    print("same", len({*drawn, *again}) < 22)
"""


def test_made_by_the_import_of_a_fork_server(runner: Runner) -> None:
    """A generator is told of only where the fork server does import the main module."""
    done, rows = audit(runner, AT_IMPORT, "--target", "forkserver")
    shared = sys.version_info >= (3, 14, 1) or (3, 13, 8) <= sys.version_info < (3, 14)
    assert names(rows) == ({"__main__.generator"} if shared else set())
    if "same True" in done.stderr:
        assert shared
