"""Laws: the program's main module is the same to a task, whatever started its worker."""

from __future__ import annotations

import subprocess
import sys

import pytest

from harness import PROGRAMS, environment

SCRIPT = PROGRAMS / "mainmodule" / "script.py"
SAID = [
    "model of a worker",  # what the initializer has set, to a function,
    "model of a worker",  # and to a lambda
    "(True, True, True, True)",
    "(True, True, True, True)",
    "True",
    "7",  # carried
    "8",
    "('logged', 4)",
    "13",
    "True",
    "[6, 7, (True, 6), 5]",  # what is bound under the guard
    "as it should",
    "True",
    "True",
]


def run(*command, text=None, folder=None):
    """Run a program to its end."""
    return subprocess.run(
        [sys.executable, *map(str, command)],
        input=text,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=folder,
        env=environment(),
    )


def test_a_script(method):
    """Functions, classes, globals and what is bound late: the same for each start method."""
    done = run(SCRIPT, method)
    assert done.returncode == 0, done.stderr
    mode = "as imported" if method in ("spawn", "forkserver") else "as set"
    # multiprocessing gives them the main module as a run of it leaves it.
    last = f"{(mode, mode, 'as set' if mode == 'as set' else None, (), True)}"
    never, call, task = ([*SAID, counts, last] for counts in ("[1, 2]", "[1, 1]", "[1, 1]"))
    assert done.stdout.split("\n")[:-1] == [*never, *call, *task]


NESTED = """
import multiprocessing, sys
from workerstate import Executor
def square(x):
    return x * x
def fold(n):
    with multiprocessing.Pool(2) as inner:
        return sum(inner.map(square, range(n)))
if __name__ == "__main__":
    with Executor(1, start_method=sys.argv[1]) as pool:
        print(pool.submit(fold, 4).result())
"""


def test_a_pool_inside_a_task(method, tmp_path):
    """Multiprocessing's pools work there, with functions of the main module."""
    path = tmp_path / "script.py"
    path.write_text(NESTED)
    done = run(path, method)
    assert (done.returncode, done.stdout) == (0, "14\n"), done.stderr


def test_a_program_without_a_file(method):
    """Of what was typed, or piped in, workers of a template have nothing: it goes by value."""
    source = SCRIPT.read_text().replace("sys.argv[1]", repr(method))
    done = run("-", text=source)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[: len(SAID)] == SAID


CALLED = """
import logging, sys
from workerstate import Executor, WorkerSpec
log = logging.getLogger(__name__)
class Box:
    pass
def is_main():
    return __name__ == "__main__"
def work():
    log.debug("early")
    logging.getLogger(__name__).debug("late")
    logging.getLogger(__name__ + ".part").info("part")
    return work.__module__, Box.__module__, is_main()
if __name__ == "__main__":
    logging.basicConfig(format="%(name)s %(message)s", level="WARNING", stream=sys.stdout)
    log.setLevel("DEBUG")
    with Executor(1, spec=WorkerSpec(carry=["logging"]), start_method=sys.argv[1]) as pool:
        found = pool.submit(work).result()
    print(*found)
"""


def test_what_goes_by_the_modules_name(method, tmp_path):
    """Its loggers have the parent's levels and names; where we run it, functions belong to it."""
    path = tmp_path / "script.py"
    path.write_text(CALLED)
    done = run(path, method)
    lines = ["__main__ early", "__main__ late", "__main__.part part"]
    assert [each for each in done.stdout.splitlines() if each in lines] == lines, done.stderr
    last = {"fork": "__main__ __main__ True", "spawn": "__mp_main__ __mp_main__ False"}
    last["forkserver"] = last["spawn"]
    assert done.stdout.splitlines()[-1] == last.get(method, "__main__ __main__ False")


UNGUARDED = """
import sys
from workerstate import Executor, WorkerSpec
print("top")
MODEL = []
def initialize():
    MODEL.append(1)
def read(x):
    return MODEL, x
with Executor(1, spec=WorkerSpec(initializer=initialize), start_method="template") as pool:
    print(pool.submit(read, 2).result())
"""


def test_a_script_without_a_guard(tmp_path):
    """A template doesn't run again what makes it, and tasks work."""
    path = tmp_path / "script.py"
    path.write_text(UNGUARDED)
    done = run(path)
    assert (done.stdout, done.stderr) == ("top\n([1], 2)\n", "")


@pytest.mark.parametrize("method", ["template", "loky"])
def test_a_script_that_works_above_its_guard(method, tmp_path):
    """Nor where there is a guard, but the executor is made outside it."""
    if method == "loky":
        pytest.importorskip("loky")
    path = tmp_path / "script.py"
    guarded = 'if __name__ == "__main__":\n    print("guarded")\n'
    path.write_text(UNGUARDED.replace('"template"', repr(method)) + guarded)
    done = run(path)
    assert (done.stdout, done.stderr) == ("top\n([1], 2)\nguarded\n", "")


def test_unguarded_spawn_says_so(tmp_path):
    """Under spawn the worker says that the script has no guard, rather than nothing."""
    path = tmp_path / "script.py"
    path.write_text(UNGUARDED.replace('"template"', '"spawn"'))
    done = run(path)
    assert done.returncode == 1
    assert 'under if __name__ == "__main__":' in done.stderr


DAEMON = """
import multiprocessing, sys
from workerstate import Executor
def work(method):
    try:
        with Executor(1, start_method=method) as pool:
            print(pool.submit(abs, -1).result(), flush=True)
    except Exception as error:
        print(type(error).__name__, error, flush=True)
if __name__ == "__main__":
    child = multiprocessing.get_context("spawn").Process(
        target=work, args=(sys.argv[1],), daemon=True
    )
    child.start()
    child.join()
"""


def test_in_a_daemonic_process(method, tmp_path):
    """A template works there; multiprocessing's start methods say why they can't, and what can."""
    path = tmp_path / "script.py"
    path.write_text(DAEMON)
    done = run(path, method)
    if method == "template":
        assert done.stdout == "1\n"
    else:
        assert done.stdout.startswith(f"SpecError start_method={method!r}: ")
        assert "start_method='template'" in done.stdout


BROKEN = """
import multiprocessing, sys
from workerstate import Executor
if __name__ != "__main__":
    %s
def work():
    return 1
if __name__ == "__main__":
    print("parent")
    with Executor(1, start_method=sys.argv[1]) as pool:
        print(pool.submit(work).result())
"""


@pytest.mark.parametrize("method", ["template", "loky"])
def test_what_the_main_module_raises(method, tmp_path):
    """A main module that can't be run again is a failed start, which names it and the reason."""
    if method == "loky":
        pytest.importorskip("loky")
    path = tmp_path / "script.py"
    path.write_text(BROKEN % "raise OSError('in use')")
    done = run(path, method)
    assert done.returncode == 1
    assert f"could not start: import of {path} (the main module): OSError: in use." in done.stderr
    assert 'raise OSError("in use")' in done.stderr.replace("'", '"')  # its own traceback


ODD = """
import enum, os, sys
from workerstate import Executor
STATE = FAILS = PLAIN = None
class Color(enum.Enum):
    RED = 1
class Fails:
    def __reduce__(self):
        return make, (os.getpid(),)
def make(pid):
    if pid != os.getpid():
        raise LookupError("only where it was made")
    return Fails()
def read():
    return STATE, FAILS, PLAIN, Color.RED is Color["RED"]
if __name__ == "__main__":
    class Late:
        pass
    STATE, FAILS, PLAIN = Late(), Fails(), [Color.RED]
    with Executor(1, start_method=sys.argv[1]) as pool:
        state, fails, plain, same = pool.submit(read).result()
    print(state, fails, plain[0] is Color.RED, same)
"""


@pytest.mark.parametrize("method", ["template", "loky"])
def test_what_workers_can_not_have_is_left_out(method, tmp_path):
    """A global that can't be made again in a worker is there what the import has left."""
    if method == "loky":
        pytest.importorskip("loky")
    path = tmp_path / "script.py"
    path.write_text(ODD)
    done = run(path, method)
    assert (done.returncode, done.stdout) == (0, "None None True True\n"), done.stderr


PACKAGE = {
    "pack/__init__.py": "",
    "pack/settings.py": "LEVEL = 3",
    "pack/work.py": """
import os, sys
from . import settings
from workerstate import Executor, WorkerSpec
THREADS = os.environ.get("THREADS")
def level():
    return settings.LEVEL, __package__, __spec__.name, THREADS, sys.argv[1:]
if __name__ == "__main__":
    spec = WorkerSpec(set={"environ": {"THREADS": "2"}})
    with Executor(1, spec=spec, start_method=sys.argv[1]) as pool:
        print(pool.submit(level).result())
""",
}


@pytest.mark.parametrize("method", ["template", "spawn", "loky"])
def test_a_module_of_a_package(method, tmp_path):
    """``python -m``: the module keeps its package; ``set=`` comes before it where we run it."""
    for name, source in PACKAGE.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(source)
    done = run("-m", "pack.work", method, folder=tmp_path)
    threads = None if method == "spawn" else "2"
    assert done.stdout == f"{(3, 'pack', 'pack.work', threads, [method])}\n", done.stderr


TYPED = """
from workerstate import Executor, WorkerSpec
FACTOR = 2
def initialize():
    global MODEL
    MODEL = 10

def work(x):
    return x * FACTOR + MODEL

pool = Executor(1, spec=WorkerSpec(initializer=initialize), start_method={method!r})
print("first", pool.submit(work, 1).result())
FACTOR = 3
def work(x):
    return x * FACTOR + MODEL + 100

print("second", pool.submit(work, 1).result())
pool.shutdown()
"""


@pytest.mark.parametrize("method", ["template", "fork", "loky"])
@pytest.mark.parametrize("script", [False, True], ids=["typed", "after a script"])
def test_what_is_typed(method, script, tmp_path):
    """In a session, a function that is defined again, and a changed global, reach the worker."""
    (tmp_path / "start.py").write_text("import sys\nif __name__ == '__main__':\n    pass\n")
    start = ["start.py"] if script else []
    done = run("-iq", *start, text=TYPED.format(method=method), folder=tmp_path)
    # What a forked worker has, it keeps: only what it lacks comes with a task.
    second = 113 if method != "fork" else 112
    assert done.stdout.split("\n")[:2] == ["first 12", f"second {second}"]


def test_the_parents_globals_stay():
    """A function that a task gives back reads the parent's globals, and brings none."""
    source = """
from workerstate import Executor
COUNT = 1
def task():
    global COUNT
    COUNT += 10
    return lambda: COUNT
with Executor(1) as pool:
    back = pool.submit(task).result()
print(COUNT, back())
"""
    done = run("-c", source)
    assert (done.stdout, done.stderr) == ("1 1\n", "")


def test_the_parents_main_module_stays():
    """The program's own ``__main__`` is what it was."""
    source = "import sys\nmain = sys.modules['__main__']\n" + UNGUARDED.replace('"top"', "1")
    done = run("-c", source + "print(sys.modules['__main__'] is main)\n")
    assert done.stdout.endswith("True\n"), done.stderr
