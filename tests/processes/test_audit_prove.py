"""`audit --prove`: a declaration on trial, on real programs and workers.

The findings are made by hand here, so that what is tested is the trial alone.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import os
import re
import shutil
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from test_cases import CASES, NEEDS

from harness import PROGRAMS, environment
from workerstate.audit.finding import SHOWN, Inherited
from workerstate.audit.placing import Place, places
from workerstate.audit.prove import BEYOND, DIFFERENT, PROVEN, UNSEEN, Proof, prove
from workerstate.audit.remedy import remedy_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness import Finished, Runner


def found(name: str, carry: str | None = None, **more: Any) -> Inherited:
    """Give a finding."""
    code = more.pop("code", "WS511")
    plain = Inherited(code, name, "kind", "app:work", None, None, None, None, "", carry=carry)
    changed: Inherited = plain.replace(**more)
    return changed


@pytest.fixture
def tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Proof]:
    """Give the function that tries what answers some findings of a program."""
    for name in [name for name in os.environ if name.startswith("PYTHON")]:
        monkeypatch.delenv(name)
    for name, value in environment({"PYTHONDONTWRITEBYTECODE": "1"}).items():
        monkeypatch.setenv(name, value)

    def run(program: str, target: str, *findings: Inherited, timeout: float = 60) -> Proof:
        command = [program]
        if "\n" in program:
            (tmp_path / "program.py").write_text(textwrap.dedent(program))
            command = [str(tmp_path / "program.py")]
        return prove(command, remedy_of(findings), target, timeout=timeout)

    return run


def verdicts(proof: Proof) -> list[str]:
    """Give the verdicts, in the order of the findings."""
    return [row.verdict for row in proof.verdicts]


# --- reported failures

ANSWERS = {
    "01_log_config_lost": [found("logging:root.handlers", "logging")],
    "11_args_global_missing": [found("__main__.args", "__main__:args")],
    "14_class_attribute_reset": [
        found("__main__.ExperimentConfig.LEARNING_RATE", "__main__:ExperimentConfig.LEARNING_RATE")
    ],
    "20_mock_patch_lost": [
        found("world.World.test", "world:World.test"),
        found("world.fetch", "world:fetch"),
    ],
    "25_decimal_context_lost": [
        found("decimal:prec", "decimal"),
        found("decimal:rounding", "decimal"),
    ],
    "29_dynamic_module_missing": [found("sys.modules['task_example']")],
    "08_epochs_repeat": [found("numpy:legacy", code="WS111")],
    "39_http_session_shared": [
        found("api.session", code="WS502", where_set=f"{CASES}/39_http_session_shared/api.py:1")
    ],
}
TRIALS = [
    (case, target)
    for case in ANSWERS
    for target in {
        "01_log_config_lost": ("spawn", "forkserver", "loky"),
        "25_decimal_context_lost": ("spawn", "forkserver", "loky"),
        "29_dynamic_module_missing": ("spawn", "forkserver", "loky"),
        "08_epochs_repeat": ("fork",),
        "39_http_session_shared": (),  # pasted below: without the declaration it hangs for long
    }.get(case, ("spawn", "forkserver"))
]


@pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not beside the checkout")
@pytest.mark.parametrize(("case", "target"), TRIALS)
def test_reported_failure_is_repaired(
    case: str, target: str, tried: Callable[..., Proof], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What fails under the target is right with the declaration, and no file was changed."""
    for library in filter(None, (NEEDS.get(case), target == "loky" and "loky")):
        if importlib.util.find_spec(library) is None:
            pytest.skip(f"needs {library}")
    folder = CASES / case
    monkeypatch.chdir(folder)
    # A program that asks for fork gets the target's method; loky it has to choose itself.
    monkeypatch.setenv("START", "loky" if target == "loky" else "fork")
    before = digest(folder)
    proof = tried("case.py", target, *ANSWERS[case])
    assert proof.before is not None
    assert proof.after is not None
    assert re.findall(r"RESULT: (OK|BAD)", " ".join(proof.before.stdout)) == ["BAD"]
    assert re.findall(r"RESULT: (OK|BAD)", " ".join(proof.after.stdout)) == ["OK"]
    assert verdicts(proof) == [PROVEN] * len(ANSWERS[case])
    assert {*proof.before.methods, *proof.after.methods} == {target}
    assert digest(folder) == before


def digest(folder: Path) -> dict[str, str]:
    """Give a hash of each file; recordings that are made there are not the program's."""
    files = [p for p in folder.rglob("*") if p.is_file() and ".workerstate" not in p.parts]
    return {str(path): hashlib.sha1(path.read_bytes()).hexdigest() for path in files}


# --- what is said of each finding

PROGRAM = """
    import multiprocessing as mp, sys, threading

    OPTIONS = {"verbose": False}
    LOCK = threading.Lock()
    MISSING = object()


    def work(_):
        return OPTIONS["verbose"]


    if __name__ == "__main__":
        OPTIONS["verbose"] = True
        LATER = 1
        with mp.get_context("fork").Pool(1) as pool:
            print("verbose:", pool.map(work, [0]))
        print("told", file=sys.stderr)
        sys.exit(3)
"""


def test_each_finding_has_its_verdict(tried: Callable[..., Proof]) -> None:
    """One that can't be carried costs no other; what was the same before is not proven."""
    proof = tried(
        PROGRAM,
        "spawn",
        found("__main__.OPTIONS", "__main__:OPTIONS"),
        found("__main__.LOCK", "__main__:LOCK"),
        found("__main__.MISSING", "__main__:MISSING"),
        found("__main__.NONE", "__main__:NONE"),
        found("app.QUEUE", reason="Hand it to workers."),
        found("__main__.OTHER", "__main__:OTHER", targets=("fork",)),
    )
    assert verdicts(proof) == [PROVEN, BEYOND, UNSEEN, BEYOND, BEYOND]
    texts = [row.text for row in proof.verdicts]
    assert re.fullmatch(r"1 worker had .*True.*, as the parent; before: .*False.*", texts[0])
    assert "pickle" in texts[1]
    assert "so it was without the declaration" in texts[2]
    assert "NONE" in texts[3]
    assert texts[4] == "Hand it to workers."
    assert (proof.before.exit_code, proof.after.exit_code) == (3, 3)
    assert proof.before.stdout == ("verbose: [False]",)
    assert proof.after.stdout == ("verbose: [True]",)
    assert proof.after.stderr == ("told",)


def test_declaration_that_fails_in_the_worker_is_told(tried: Callable[..., Proof]) -> None:
    """What a worker can't take over stays different, with the reason, and the program runs on."""
    program = PROGRAM.replace("LATER = 1", "LATER = Grows()").replace(
        "def work(_):",
        "class Grows:\n    def __reduce__(self):\n        return broken, ()\n\n\n"
        "def broken():\n"
        "    if mp.parent_process() or __name__ != '__main__':\n"
        "        raise OSError('not here')\n"
        "    return Grows()\n\n\ndef work(_):".replace("\n", "\n    "),
    )
    proof = tried(program, "spawn", found("__main__.LATER", "__main__:LATER"))
    assert verdicts(proof) == [DIFFERENT]
    assert "OSError: not here" in proof.verdicts[0].text
    assert proof.after.exit_code == 3


def test_program_without_workers_shows_nothing(tried: Callable[..., Proof]) -> None:
    """Where no worker was started, no finding is proven."""
    proof = tried("print(1)\n", "spawn", found("__main__.X", "__main__:X"))
    assert verdicts(proof) == [UNSEEN]
    assert proof.after.workers == 0


@pytest.mark.parametrize("method", ["fork", "forkserver"])
def test_program_that_does_not_end_is_stopped(method: str, tried: Callable[..., Proof]) -> None:
    """A run is stopped at the timeout, workers and all, and what was seen until then is told."""
    program = f"""
        import multiprocessing as mp, time

        X = 1


        def work(_):
            print("waits", flush=True)
            time.sleep(1000)


        if __name__ == "__main__":
            X = 2
            mp.get_context("{method}").Pool(2).map(work, [0, 1])
    """
    proof = tried(program, method, found("__main__.X", "__main__:X"), timeout=6)
    assert (proof.before.exit_code, proof.after.exit_code) == (None, None)
    assert "waits" in proof.after.stdout
    assert verdicts(proof) == [UNSEEN if method == "fork" else PROVEN]


def test_processes_draw_each_from_a_stream_of_its_own(tried: Callable[..., Proof]) -> None:
    """Processes that belong to no pool are seeded each for itself."""
    program = """
        import multiprocessing as mp, random


        def work(queue):
            queue.put(random.random())


        if __name__ == "__main__":
            context = mp.get_context("fork")
            queue = context.Queue()
            processes = [context.Process(target=work, args=(queue,)) for _ in range(3)]
            for process in processes:
                process.start()
            print("drawn:", len({queue.get() for _ in processes}))
            for process in processes:
                process.join()
    """
    proof = tried(program, "fork", found("random:state", code="WS111"))
    assert proof.after is not None
    assert proof.after.stdout == ("drawn: 3",)
    assert verdicts(proof) == [PROVEN]


def test_thread_local_state_is_carried(tried: Callable[..., Proof]) -> None:
    """What the parent's thread has in a thread-local object is there in the worker's."""
    program = """
        import multiprocessing as mp, threading

        LOCAL = threading.local()


        def work(_):
            return getattr(LOCAL, "user", None)


        if __name__ == "__main__":
            LOCAL.user = "ada"
            with mp.get_context("fork").Pool(1) as pool:
                print("user:", pool.map(work, [0]))
    """
    proof = tried(program, "spawn", found("__main__.LOCAL.user", "__main__:LOCAL"))
    assert proof.before is not None
    assert proof.after is not None
    assert proof.before.stdout == ("user: [None]",)
    assert proof.after.stdout == ("user: ['ada']",)
    assert verdicts(proof) == [PROVEN]


@pytest.mark.parametrize("target", ["spawn", "forkserver"])
def test_registry_is_carried_with_the_modules_that_no_import_finds(
    target: str, runner: Runner
) -> None:
    """What a plugin that was loaded by hand has registered is there in the workers."""
    script = PROGRAMS / "audit" / "plugins" / "main.py"
    done = runner.cli("audit", "--target", target, "--fix", "--prove", script, "fork")
    said = done.stdout.decode()
    assert 'WorkerSpec(carry=["base:RUNNERS"], preload=["roman"])' in said
    assert "proven" in said
    assert "['IX', 'ix is 2 digits']" in said


def test_lock_held_at_the_fork_is_made_anew(tried: Callable[..., Proof], tmp_path: Path) -> None:
    """Under fork a worker that has a lock of its own does not wait for one that nobody holds."""
    program = """
        import multiprocessing as mp, threading

        LOCK = threading.Lock()


        def work(_):
            return LOCK.acquire(timeout=1)


        if __name__ == "__main__":
            with LOCK, mp.get_context("fork").Pool(1) as pool:
                print("free:", pool.map(work, [0]))
    """
    place = f"{tmp_path / 'program.py'}:4"
    proof = tried(program, "fork", found("__main__.LOCK", code="WS501", where_set=place))
    assert proof.before.stdout == ("free: [False]",)
    assert proof.after.stdout == ("free: [True]",)
    assert verdicts(proof) == [PROVEN]


# --- the declaration, pasted


def pasted(source: str, code: str, calls: tuple[Place, ...]) -> str:
    """Give a program with the declaration after its imports, and its calls as they should be."""
    lines = source.splitlines(keepends=True)
    tree = ast.parse(source)
    changes = {(call.line, call.before): call.after for call in calls if call.after}
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    for node in sorted(nodes, key=lambda node: -node.lineno):
        after = changes.pop((node.lineno, ast.unparse(node)), None)
        if after is not None:
            line = lines[node.lineno - 1]
            lines[node.lineno - 1] = line[: node.col_offset] + after + line[node.end_col_offset :]
    assert changes == {}
    last = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))][-1]
    return "".join([*lines[: last.lineno], code, *lines[last.lineno :]])


@pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not beside the checkout")
@pytest.mark.parametrize(
    ("case", "start", "backend"),
    [
        ("01_log_config_lost", "spawn", "futures"),
        ("01_log_config_lost", "loky", "loky"),
        ("11_args_global_missing", "forkserver", "multiprocessing"),
        ("14_class_attribute_reset", "spawn", "multiprocessing"),
        ("20_mock_patch_lost", "forkserver", "multiprocessing"),
        ("25_decimal_context_lost", "loky", "loky"),
        ("29_dynamic_module_missing", "spawn", "futures"),
        ("08_epochs_repeat", "fork", "multiprocessing"),
        ("39_http_session_shared", "fork", "multiprocessing"),
    ],
)
def test_pasted_as_it_is_said_the_program_is_right(
    case: str, start: str, backend: str, tmp_path: Path, runner: Runner
) -> None:
    """The code that --fix prints, put where it says, repairs the program."""
    for library in filter(None, (NEEDS.get(case), start == "loky" and "loky")):
        if importlib.util.find_spec(library) is None:
            pytest.skip(f"needs {library}")
    copy = tmp_path / case
    shutil.copytree(CASES / case, copy, ignore=shutil.ignore_patterns("__pycache__"))
    program = copy / "case.py"
    remedy = remedy_of(ANSWERS[case])
    calls = places([str(program)], [backend])
    program.write_text(pasted(program.read_text(), remedy.code(), calls))
    done = runner.plain(program, env={"START": start}, cwd=copy)
    assert b"RESULT: OK" in done.stdout, done.stdout.decode() + done.stderr


# --- the command

APP = """
import multiprocessing as mp
import sys

OPTIONS = {"verbose": False}
LIMIT = 1


def work(_):
    return OPTIONS["verbose"], LIMIT


if __name__ == "__main__":
    OPTIONS["verbose"] = True
    LIMIT = 2
    with mp.get_context("fork").Pool(1) as pool:
        print("its own output:", pool.map(work, [0]))
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The folder of a program that loses two globals."""
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


def audited(runner: Runner, project: Path, *options: str) -> Finished:
    """Run ``workerstate audit`` on the program."""
    return runner.cli("audit", "--target", "spawn", *options, "app.py", cwd=project)


def test_text_has_findings_declaration_and_proof(runner: Runner, project: Path) -> None:
    """Stdout has the findings, the code and what it did; the program's own output is on stderr."""
    done = audited(runner, project, "--fix", "--prove")
    assert done.exit_code == 1
    assert "its own output: [(True, 2)]" in done.stderr
    text = done.stdout.decode()
    assert "\x1b" not in text
    expected = (
        "__main__.LIMIT",
        "__main__.OPTIONS",
        "2 findings in 1 distinct task under spawn (exit 0)",
        'spec = WorkerSpec(carry=["__main__:LIMIT", "__main__:OPTIONS"])',
        "# app.py:16: mp.get_context('fork')\n#   becomes: spec.multiprocessing('fork')",
        "under spawn\n  without the declaration: exit 0\n    | its own output: [(False, 1)]",
        "  with it: exit 0\n    | its own output: [(True, 2)]",
    )
    for part in expected:
        assert part in text
    assert text.count("  proven  ") == 2


def test_what_was_refused_is_not_declared(runner: Runner, project: Path) -> None:
    """After a proof, the declaration has only what can be carried; the rest has its reason."""
    text = APP.replace("LIMIT = 2", "LIMIT = {'lock': __import__('threading').Lock()}")
    (project / "app.py").write_text(text)
    code = audited(runner, project, "--fix", "--prove").stdout.decode()
    assert 'spec = WorkerSpec(carry=["__main__:OPTIONS"])' in code
    assert "can't be repaired WS511 __main__.LIMIT" in " ".join(code.replace("#", "").split())


def test_json_has_the_findings_alone(runner: Runner, project: Path) -> None:
    """Each row has nine fields, and the proof where it was asked for."""
    done = audited(runner, project, "--output-format", "json")
    fields = [*SHOWN]
    assert [list(row) for row in json.loads(done.stdout)] == [fields, fields]
    done = audited(runner, project, "--output-format", "json", "--fix", "--prove")
    rows = json.loads(done.stdout)
    assert [(p["target"], p["verdict"]) for row in rows for p in row["proof"]] == [
        ("spawn", PROVEN),
        ("spawn", PROVEN),
    ]
    assert "WorkerSpec(" in done.stderr


def test_formats_for_other_programs(runner: Runner, project: Path) -> None:
    """Annotations and SARIF point at the line that reads, and name the rule."""
    done = audited(runner, project, "--output-format", "github")
    lines = done.stdout.decode().splitlines()
    assert len(lines) == 2
    assert all(line.startswith("::warning file=app.py,line=10,title=WS51") for line in lines)
    done = audited(runner, project, "--output-format", "sarif", "--output-file", "out.sarif")
    assert done.stdout == b""
    (run,) = json.loads((project / "out.sarif").read_text())["runs"]
    assert all("fullDescription" in rule for rule in run["tool"]["driver"]["rules"])
    regions = [
        result["locations"][0]["physicalLocation"]["region"]["startLine"]
        for result in run["results"]
    ]
    assert regions == [10, 10]


def test_what_is_not_wanted_is_left_out(runner: Runner, project: Path) -> None:
    """A comment where state is set, and a name in pyproject.toml, leave a finding out: exit 0."""
    text = APP.replace("LIMIT = 2", "LIMIT = 2  # workerstate: ignore[WS511]")
    (project / "app.py").write_text(text)
    done = audited(runner, project, "--output-format", "json")
    assert [row["name"] for row in json.loads(done.stdout)] == ["__main__.OPTIONS"]
    table = '[tool.workerstate]\nignore-names = ["*.OPTIONS"]\ntarget = "spawn"\n'
    (project / "pyproject.toml").write_text(table)
    done = runner.cli("audit", "--fix", "--prove", "app.py", cwd=project)
    assert done.exit_code == 0
    assert "2 more findings ignored" in done.stdout.decode()
    assert "under spawn" in done.stdout.decode()
    assert "# Nothing to declare." in done.stdout.decode()


def test_mistake_in_the_table_ends_it_before_the_program_runs(
    runner: Runner, project: Path
) -> None:
    """A key that means nothing is exit 2, and the nearest one is named."""
    (project / "pyproject.toml").write_text("[tool.workerstate]\ntargets = []\n")
    done = audited(runner, project)
    assert done.exit_code == 2
    assert "no key 'targets'; did you mean 'target'?" in done.stderr
    assert "its own output" not in done.stderr
