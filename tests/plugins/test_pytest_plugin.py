"""The pytest plugin, in pytest processes of their own."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import multiprocessing
import os
import sys
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

METHODS = sorted(multiprocessing.get_all_start_methods())
SOURCE = Path(__file__).resolve().parents[2] / "src"


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch):
    """Give the function that writes a test file and runs pytest on it."""
    paths = [str(SOURCE), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(os.path.abspath, paths)))
    monkeypatch.setenv("NO_COLOR", "1")
    for name in ("CI", "BUILD_NUMBER"):  # with these, pytest repeats reports in its summary
        monkeypatch.delenv(name, raising=False)
    installed = {each.name for each in importlib.metadata.entry_points(group="pytest11")}
    load = () if "workerstate" in installed else ("-p", "workerstate.pytest_plugin")

    def run(source: str, *arguments: str, **files: str) -> pytest.RunResult:
        pytester.makepyfile(source, **files)
        return pytester.runpytest_subprocess(
            *load, "-p", "no:cacheprovider", *arguments, timeout=60
        )

    return run


def needs(library: str) -> None:
    """Skip a test without that library. pytester forgets what a test imports: numpy minds."""
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"needs {library}")


def lines(result: pytest.RunResult) -> str:
    """Give all that was printed."""
    return "\n".join(result.outlines + result.errlines)


# --- each start method


EACH = """
    import multiprocessing, os, pytest
    from concurrent.futures import ProcessPoolExecutor

    STATE, DEFAULT = "imported", []

    def state():
        return STATE, os.environ.get("MARK"), multiprocessing.current_process().name

    def test_before():
        "Starts the fork server, which has no MARK."
        process = multiprocessing.get_context("forkserver").Process(target=abs, args=(1,))
        process.start()
        process.join()
        DEFAULT.append(multiprocessing.get_start_method(allow_none=True))

    @pytest.mark.each_start_method
    def test_each(start_method, monkeypatch):
        assert multiprocessing.get_start_method() == start_method
        monkeypatch.setenv("MARK", start_method)
        monkeypatch.setitem(globals(), "STATE", "set")
        with ProcessPoolExecutor(1) as pool:
            value, mark, name = pool.submit(state).result()
        assert name != "MainProcess"
        assert mark == start_method
        assert value == ("set" if start_method == "fork" else "imported")

    def test_after():
        assert [multiprocessing.get_start_method(allow_none=True)] == DEFAULT
"""


def test_a_marked_test_runs_under_each_start_method(run) -> None:
    """Its workers start as it says, those of the fork server too; then all is as before."""
    result = run(EACH, "-v")
    result.assert_outcomes(passed=len(METHODS) + 2)
    for method in METHODS:
        assert f"test_each[{method}] PASSED" in lines(result)


def test_a_marker_names_start_methods(run) -> None:
    """A test without the fixture is repeated too; methods of executors are names only."""
    result = run(
        """
        import multiprocessing, pytest

        @pytest.mark.each_start_method("spawn", "thread")
        def test_named():
            assert multiprocessing.get_start_method(allow_none=True) in ("spawn", None)

        @pytest.mark.each_start_method
        class TestAll:
            def test_all(self, start_method): pass

        def test_plain(start_method):
            assert start_method == multiprocessing.get_start_method()
        """,
        "-v",
    )
    result.assert_outcomes(passed=2 + len(METHODS) + 1)
    assert "test_named[thread] PASSED" in lines(result)


def test_a_start_method_that_does_not_exist(run) -> None:
    """The error names the test and what there is."""
    result = run(
        """
        import pytest

        @pytest.mark.each_start_method("frok")
        def test_it(): pass
        """
    )
    assert result.ret == pytest.ExitCode.INTERRUPTED or result.ret == pytest.ExitCode.USAGE_ERROR
    assert "there is no such start method here" in lines(result)
    assert "test_it: each_start_method('frok')" in lines(result)


def test_a_test_that_can_not_be_repeated(run) -> None:
    """A marker that would do nothing is an error."""
    result = run(
        """
        import pytest, unittest

        @pytest.mark.each_start_method
        class TestOld(unittest.TestCase):
            def test_it(self): pass
        """
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "TestOld::test_it: each_start_method does not work here" in lines(result)


# --- what a test leaves behind


LEAVES = """
    import decimal, logging, multiprocessing, os, random, signal, socket, subprocess, sys
    import threading, warnings
    import pytest, app

    pytestmark = pytest.mark.usefixtures("no_worker_state_left")
    sys.kept, sys.done = [], threading.Event()

    def test_environ(): os.environ["MODE"] = "fast"
    def test_environ_secret(): os.environ["API_TOKEN"] = "tell nobody"
    def test_global(): app.CACHE["a"] = 1
    def test_class(): app.Settings.rate = 3
    def test_patch(): app.load = lambda: None
    def test_logging(): logging.getLogger("app").setLevel("DEBUG")
    def test_decimal(): decimal.getcontext().prec = 5
    def test_cwd(tmp_path): os.chdir(tmp_path)
    def test_seed(): random.seed(1)
    def test_signal(): signal.signal(signal.SIGUSR1, lambda *_: None)
    def test_stub(): sys.modules["stub"] = type(sys)("stub")
    def test_file(tmp_path): sys.kept.append(open(tmp_path / "left", "w"))
    def test_socket(): sys.kept.append(socket.socket())
    def test_thread():
        threading.Thread(target=sys.done.wait, name="lingers", daemon=True).start()
    def test_process():
        sys.kept.append(subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE))

    def test_end():
        sys.done.set()
        sys.kept[-1].communicate(b"end" + os.linesep.encode())
"""
APP = "CACHE = {}\nclass Settings:\n    rate = 1\ndef load(): pass\n"
SAID = {
    "environ": "environ: MODE: (none) -> 'fast'",
    "environ_secret": "environ: API_TOKEN: (none) -> set, <redacted>",
    "global": "modules: app.CACHE: {} -> {'a': 1}",
    "class": "modules: app.Settings.rate: 1 -> 3",
    "patch": "modules: app.load: ",
    "logging": "logging: app.level: ",
    "decimal": "decimal: prec: 28 -> 5",
    "cwd": "cwd: directory: ",
    "seed": "random: state: ",
    "signal": "signals: SIGUSR1: ",
    "stub": "sys_modules: stub: (none) -> ",
    "file": "left",
    "socket": "socket:[",
    "thread": "threads: lingers: (none) -> running",
    "process": "-c input()",
}


def test_what_is_left_behind_is_named(run) -> None:
    """Each kind of state is named with facet, key, and what it was and is; nothing else is."""
    result = run(LEAVES, app=APP)
    text = lines(result)
    result.assert_outcomes(passed=len(SAID) + 1, errors=len(SAID))
    reports = text.split("at teardown of ")
    for name, words in SAID.items():
        (report,) = (each for each in reports if each.startswith(f"test_{name} "))
        said = [line for line in report.splitlines() if line.startswith("  ")]
        assert len(said) == 1, said
        assert words in said[0]
    assert "tell nobody" not in text


CLEAN = """
    import logging, multiprocessing, os, random, sys, threading, warnings
    import pytest, app

    @pytest.fixture(scope="module")
    def lasting():
        os.environ["LASTING"] = "1"
        yield
        del os.environ["LASTING"]

    @pytest.fixture(autouse=True)
    def changed():
        app.CACHE["fixture"] = 1
        yield
        app.CACHE.clear()

    def task(): return os.getpid()

    def test_nothing(no_worker_state_left): pass
    def test_monkeypatch(monkeypatch, no_worker_state_left):
        monkeypatch.setenv("MODE", "fast")
        monkeypatch.setattr(app, "load", None)
        monkeypatch.syspath_prepend("/nowhere")
    def test_capture(capsys, caplog, tmp_path, no_worker_state_left, recwarn):
        print("hello")
        caplog.set_level("DEBUG")
        logging.getLogger("app").warning("seen")
        warnings.warn("seen")
    def test_lasting(lasting, no_worker_state_left): pass
    def test_imports(no_worker_state_left):
        import wave, late
        assert late.VALUE
    def test_draws(no_worker_state_left):
        random.random()
    def test_ended_thread(no_worker_state_left):
        thread = threading.Thread(target=len, args=("",))
        thread.start()
    def test_closed_file(tmp_path, no_worker_state_left):
        (tmp_path / "file").write_text("text")
    @pytest.mark.each_start_method
    def test_pool(start_method, no_worker_state_left):
        with multiprocessing.Pool(1) as pool:
            assert pool.apply(task) != os.getpid()
            pool.close()
            pool.join()
    def test_skipped(no_worker_state_left): pytest.skip("not today")
"""


LATE = "import logging\nlogging.getLogger('late').setLevel('INFO')\nVALUE = 1\n"


def test_what_leaves_nothing_passes(run) -> None:
    """What fixtures undo, imports, draws and ended workers bring no error."""
    result = run(CLEAN, "-W", "default", app=APP, late=LATE)
    assert result.ret == 0, lines(result)
    result.assert_outcomes(passed=9 + len(METHODS) - 1, skipped=1, warnings=None)


def test_loky_workers_are_kept_on_purpose(run) -> None:
    """The workers that joblib keeps for its next call are no leftovers."""
    needs("joblib")
    result = run(
        """
        import pytest, joblib

        @pytest.mark.usefixtures("no_worker_state_left")
        def test_first():
            joblib.Parallel(2)(joblib.delayed(abs)(n) for n in range(4))

        @pytest.mark.usefixtures("no_worker_state_left")
        def test_second():
            joblib.Parallel(2)(joblib.delayed(abs)(n) for n in range(4))
        """
    )
    assert result.ret == 0, lines(result)


def test_it_works_in_workers_of_xdist(run) -> None:
    """Processes and threads of xdist itself are no test's leftovers, and its tests are checked."""
    needs("xdist")
    clean = run(CLEAN, "-n", "2", app=APP, late=LATE)
    assert clean.ret == 0, lines(clean)
    left = run(LEAVES, "-n", "1", app=APP)
    left.assert_outcomes(passed=len(SAID) + 1, errors=len(SAID))


# --- the audit


AUDITED = """
    import multiprocessing
    import app

    def task(): return app.OPTIONS["mode"]

    def test_pool():
        app.OPTIONS["mode"] = "fast"
        with multiprocessing.get_context("fork").Pool(1) as pool:
            assert pool.apply(task) == "fast"
            pool.close()
            pool.join()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="fork")
def test_the_audit_follows_the_tests(run) -> None:
    """The tests run as without it; then a section names what a fresh worker would not have."""
    result = run(AUDITED, "--workerstate-audit", app='OPTIONS = {"mode": "slow"}\n')
    text = lines(result)
    assert "1 passed" in text
    assert text.index("1 passed") < text.index("workerstate audit")
    assert "app.OPTIONS" in text.partition("workerstate audit")[2]
    assert result.ret == 1


def test_an_audit_without_findings(run) -> None:
    """The exit code is pytest's own, with the tests' result and the arguments that it was given."""
    source = "def test_good(): pass\ndef test_bad(): assert False\n"
    result = run(source, "--workerstate-audit", "-k", "good", "--workerstate-target", "spawn")
    assert result.ret == 0, lines(result)
    assert "1 passed, 1 deselected" in lines(result)
    assert "workerstate audit" in lines(result)
    result = run(source, "--workerstate-audit")
    assert result.ret == 1
    assert "1 failed, 1 passed" in lines(result)
    assert lines(result).count("test session starts") == 1


def test_workers_of_xdist_are_not_audited_as_the_tests_own(run) -> None:
    """Under -n the tests' workers are found in xdist's processes, which are no workers."""
    needs("xdist")
    result = run(AUDITED, "--workerstate-audit", "-n", "2", app='OPTIONS = {"mode": "slow"}\n')
    section = lines(result).partition("workerstate audit")[2]
    assert "app.OPTIONS" in section
    assert "1 distinct task" in section


# --- cost


def test_unused_it_loads_nothing(run) -> None:
    """A run that uses none of it has the plugin's one file and the package, and no more."""
    result = run(
        """
        import sys

        def test_loaded():
            ours = {name for name in sys.modules if name.startswith("workerstate")}
            assert ours == {"workerstate", "workerstate.pytest_plugin"}
            assert "rich" not in sys.modules
        """,
        "-p",
        "no:xdist",
    )
    result.assert_outcomes(passed=1)


def test_marker_and_options_are_documented(run) -> None:
    """`--markers`, `--fixtures` and `--help` say what there is."""
    source = "def test_it(): pass\n"
    assert "each_start_method(*methods): run the test once" in lines(run(source, "--markers"))
    fixtures = lines(run(source, "--fixtures"))
    assert "no_worker_state_left" in fixtures
    assert "start_method" in fixtures
    help_text = lines(run(source, "--help"))
    assert "--workerstate-audit" in help_text
