"""What explain predicts of a task, and what a real worker did with it."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness import PROGRAMS
from workerstate.explaining import imports
from workerstate.explaining.task import explain_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness import Finished

# How joblib sends each task, and when its worker imports the module (None: never).
ROWS: dict[str, tuple[str, str | None]] = {
    "function": ("reference", "unpickle"),
    "partial": ("value", "unpickle"),
    "decorated in its module": ("reference", "unpickle"),
    "instance": ("value", "unpickle"),
    "method": ("value", "unpickle"),
    "static method": ("reference", "unpickle"),
    "lambda made there": ("value", None),
    "closure made there": ("value", None),
    "method of a local class made there": ("value", None),
    "closure made there that names": ("value", "unpickle"),
    "closure made there that mutates": ("value", None),
    "wrapped": ("value", None),
    "rebound": ("value", None),
    "names the module": ("value", "unpickle"),
    "lambda names the module": ("value", "unpickle"),
    "nested names the module": ("value", "unpickle"),
    "imports in the body": ("value", "call"),
    "does not name the module": ("value", None),
    "asks globals()": ("value", None),
    "default": ("value", "unpickle"),
    "annotation": ("value", "unpickle"),
    "annotation from the future": ("value", None),
    "names f of it": ("value", "unpickle"),
    "names K of it": ("value", "unpickle"),
    "names INSTANCE of it": ("value", "unpickle"),
    "names CONST of it": ("value", None),
    "names WORD of it": ("value", None),
    "names NUMBERS of it": ("value", None),
    "names TABLE of it": ("value", None),
    "instance as argument": ("value", "unpickle"),
    "decorated by it": ("value", None),
    "class of main": ("value", None),
    "registered by value": ("value", None),
    "reads its module's global": ("reference", "unpickle"),
    "carries the global": ("value", None),
}


@pytest.fixture(scope="module")
def joblib_rows(
    tmp_path_factory: pytest.TempPathFactory, run_plain: Callable[..., Finished]
) -> dict[str, Any]:
    """Run the tasks under joblib; for each, prediction, what happened, and its result."""
    pytest.importorskip("joblib")
    folder = tmp_path_factory.mktemp("explained")
    program = shutil.copy(PROGRAMS / "explained.py", folder)
    done = run_plain(Path(program), cwd=folder, timeout=110)
    assert done.exit_code == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_every_row_was_tried(joblib_rows: dict[str, Any]) -> None:
    """The table and the program have the same rows."""
    assert set(joblib_rows) == {*ROWS, "not importable"}


@pytest.mark.parametrize("name", ROWS)
def test_joblib_worker_imports_as_predicted(name: str, joblib_rows: dict[str, Any]) -> None:
    """The worker imported the module when it was predicted to, which is what the table says."""
    row = joblib_rows[name]
    by, when = ROWS[name]
    assert row["happened"] == row["predicted"]["when"] == ([when] if when else [])
    assert row["predicted"]["by"] == by
    assert row["predicted"]["failed"] == []
    assert "Error" not in row["result"]


def test_a_module_no_worker_can_import(joblib_rows: dict[str, Any]) -> None:
    """It is predicted that the import fails, and the worker could not read the task."""
    row = joblib_rows["not importable"]
    assert row["predicted"]["by"] == "reference"
    assert row["predicted"]["failed"] == ["ModuleNotFoundError: No module named 'by_hand'"]
    assert row["result"] == "BrokenProcessPool"


def test_what_goes_by_value_has_the_parents_values(joblib_rows: dict[str, Any]) -> None:
    """By reference a worker has what the import gives, by value what the parent has."""
    assert joblib_rows["reads its module's global"]["result"] == "10"
    assert joblib_rows["carries the global"]["result"] == "99"


MODULE = """
import os, sys
frame, moment = sys._getframe(), "elsewhere"
while frame is not None:
    file = os.path.basename(frame.f_code.co_filename)
    if file == "queues.py":
        moment = "unpickle"
    elif moment == "elsewhere" and frame.f_code.co_name == "_process_worker":
        moment = "call"
    frame = frame.f_back
with open("moments", "a") as notes:
    print(__name__, moment, file=notes)
def f(*args): return 1
class K:
    def m(self): return 1
"""
SPAWN: dict[str, dict[str, str]] = {
    "function": {"tasks": "unpickle"},
    "partial": {"tasks": "unpickle"},
    "method": {"tasks": "unpickle"},
    "argument": {"copied": "unpickle"},
    "of main": {},
    "late": {"late": "call"},
}


@pytest.fixture(scope="module")
def spawn_rows(
    tmp_path_factory: pytest.TempPathFactory, run_plain: Callable[..., Finished]
) -> dict[str, Any]:
    """Run the tasks in spawned workers; for each, prediction, what happened, and its result."""
    folder = tmp_path_factory.mktemp("explained_spawn")
    program = shutil.copy(PROGRAMS / "explained_spawn.py", folder)
    for name in ("tasks", "copied", "late"):
        (folder / f"{name}.py").write_text(MODULE)
    done = run_plain(Path(program), cwd=folder)
    assert done.exit_code == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.mark.parametrize("name", SPAWN)
def test_spawned_worker_imports_as_predicted(name: str, spawn_rows: dict[str, Any]) -> None:
    """The worker imported each module when it was predicted to, and the main module at start."""
    row = spawn_rows[name]
    assert row["predicted"]["when"] == {"__main__": "start", **SPAWN[name]}
    assert row["happened"] == SPAWN[name]
    assert row["predicted"]["refused"] == []
    assert row["result"] == "1"


def test_a_function_under_the_guard(spawn_rows: dict[str, Any]) -> None:
    """It pickles, and no spawned worker finds it: that is predicted, with the worker's words."""
    row = spawn_rows["under the guard"]
    (refused,) = row["predicted"]["refused"]
    assert "worker has no __main__:under_the_guard" in refused
    assert row["result"] == "BrokenProcessPool"


def test_a_lambda_under_multiprocessing(spawn_rows: dict[str, Any]) -> None:
    """Pickle refuses it, with the error that is predicted."""
    row = spawn_rows["lambda"]
    (refused,) = row["predicted"]["refused"]
    assert refused.startswith(row["result"])
    assert "<lambda>" in refused


def test_the_command_says_it_too(tmp_path: Path, runner: Any) -> None:
    """`workerstate explain script.py:function` leaves the guard alone, and JSON is JSON."""
    (tmp_path / "helper.py").write_text("print('imported'); VALUE = {'a': 1}\nclass K: pass\n")
    (tmp_path / "script.py").write_text(
        "import sys, helper\nBIG = list(range(100_000))\n"
        "def work(x): return BIG, helper.K, x\n"
        "if __name__ == '__main__':\n    raise RuntimeError('not to be run')\n"
    )
    done = runner.cli(
        *("explain", "script.py:work", "--backend", "multiprocessing"),
        *("--output-format", "json"),
        cwd=tmp_path,
    )
    assert done.exit_code == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["task"] == "__main__:work"
    assert document["defined"] == "script.py:3"
    (shipping,) = document["shippings"]
    assert shipping["by"] == "reference"
    assert [(row["module"], row["when"]) for row in shipping["imports"]] == [("__main__", "start")]


def test_the_command_says_what_can_not_be_sent(tmp_path: Path, runner: Any) -> None:
    """The exit code is 1, and the path leads to the lock."""
    (tmp_path / "app.py").write_text(
        "import threading\n"
        "class Service:\n"
        "    def __init__(self): self.state = {'locks': [threading.Lock()]}\n"
        "    def run(self): return 1\n"
        "task = Service().run\n"
    )
    done = runner.cli("explain", "app:task", "--backend", "multiprocessing", cwd=tmp_path)
    assert done.exit_code == 1
    assert "task -> self -> .state -> ['locks'] -> [0]" in done.stdout.decode()
    assert "cannot pickle '_thread.lock' object" in done.stdout.decode()


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("nowhere:f", "no module 'nowhere'"),
        ("broken:f", "importing broken failed: ZeroDivisionError"),
        ("leaves:f", "importing leaves failed: SystemExit: 3"),
        ("waits.py:f", "waits.py was not loaded after 1 s"),
        ("good:g", "good has no 'g'; did you mean 'go'?"),
        ("good.py:main", "what stands under the __main__ guard is not there"),
        ("good:N", "good:N is a int, which can't be called"),
        ("good", "give module:function"),
        ("missing.py:f", "can't read missing.py"),
    ],
)
def test_what_can_not_be_explained_is_said(
    target: str, words: str, tmp_path: Path, runner: Any
) -> None:
    """Exit code 2, one sentence, no traceback."""
    sources = {
        "broken": "1 / 0\n",
        "leaves": "import sys; sys.exit(3)\n",
        "waits": "import threading; threading.Event().wait()\n",
        "good": "N = 1\ndef go(): pass\nif __name__ == '__main__':\n    def main(): pass\n",
    }
    for name, source in sources.items():
        (tmp_path / f"{name}.py").write_text(source)
    done = runner.cli("explain", target, "--timeout", "1", cwd=tmp_path)
    assert done.exit_code == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == b""


@pytest.mark.skipif(sys.platform == "win32", reason="a signal of POSIX")
def test_a_module_that_keeps_running_keeps_nobody(tmp_path: Path, runner: Any) -> None:
    """Threads and processes that a module starts when imported do not hold the command up."""
    (tmp_path / "service.py").write_text(
        "import subprocess, sys, threading\n"
        "threading.Thread(target=threading.Event().wait).start()\n"
        "def f(): pass\n"
    )
    done = runner.cli("explain", "service:f", cwd=tmp_path, timeout=30)
    assert done.exit_code == 0
    assert done.stdout.startswith(b"service:f")


HOSTILE = {
    "dies": ("os._exit(3)", "the interpreter ended with 3"),
    "hangs": ("threading.Event().wait()", "it had not ended after 1 s"),
    "forks": (
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])",
        None,
    ),
    "raises": ("raise KeyboardInterrupt", "KeyboardInterrupt: "),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_modules_that_a_fresh_interpreter_can_not_import(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What goes wrong there is said, in time, and nothing of it goes on."""
    source, error = HOSTILE[name]
    (tmp_path / f"{name}.py").write_text(
        "import os, subprocess, sys, threading\n"
        f"if {imports.INSIDE!r} in os.environ:\n    {source}\n"
        "def f(): pass\n"
    )
    monkeypatch.setattr(imports, "LIMIT_S", 1.0 if name == "hangs" else 30.0)
    monkeypatch.syspath_prepend(tmp_path)
    (seen,) = explain_for(["multiprocessing"], importlib.import_module(name).f).shippings
    (row,) = (row for row in seen.imports if row.module == name)
    assert row.error == error
    assert seen.arrives is (error is None)
    monkeypatch.delitem(sys.modules, name)
