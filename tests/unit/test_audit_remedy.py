"""What answers an audit's findings: the declaration as code, and where it goes."""

from __future__ import annotations

import ast
import sys
import textwrap
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from workerstate.audit.anew import Opening, opening_of
from workerstate.audit.finding import Inherited
from workerstate.audit.placing import places
from workerstate.audit.prove import asked_about
from workerstate.audit.remedy import Remedy, remedy_of, worded
from workerstate.report import remedied

if TYPE_CHECKING:
    from collections.abc import Iterator


def found(code: str, name: str, **more: Any) -> Inherited:
    """Give a finding."""
    plain = Inherited(code, name, "kind", "app:work", None, None, None, None, "Do this.")
    changed: Inherited = plain.replace(**more)
    return changed


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A module called app_of_remedy, which may be imported."""
    path = tmp_path / "app_of_remedy.py"
    path.write_text(
        "import threading\nOPTIONS = {'a': 1}\nLOCK = threading.Lock()\n"
        "class Config:\n    RATE = 1\n    LOCK = threading.Lock()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield path
    sys.modules.pop("app_of_remedy", None)


def built(remedy: Remedy, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run the remedy's code as the module of a program does; give its globals."""
    module = ModuleType("pasted_remedy")
    monkeypatch.setitem(sys.modules, "pasted_remedy", module)
    exec(compile(remedy.code(), "pasted", "exec"), vars(module))
    return vars(module)


# --- the declaration


def test_what_is_carried_comes_once_and_facets_first() -> None:
    """Facets and globals are carried in one spec, each once."""
    remedy = remedy_of(
        [
            found("WS511", "app.OPTIONS", carry="app:OPTIONS"),
            found("WS518", "decimal:prec", carry="decimal"),
            found("WS518", "decimal:rounding", carry="decimal"),
        ]
    )
    assert remedy.names == ("decimal", "app:OPTIONS")
    assert remedy.code() == (
        "from workerstate import WorkerSpec\n\n"
        'spec = WorkerSpec(carry=["decimal", "app:OPTIONS"])\n'
    )


def test_everything_that_can_be_declared_builds(app: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The code for all kinds at once is Python that builds a spec, and opens what it says."""
    findings = [
        found("WS511", "app_of_remedy.OPTIONS", carry="app_of_remedy:OPTIONS"),
        found("WS513", "app_of_remedy.Config.RATE", carry="app_of_remedy:Config.RATE"),
        found("WS518", "logging:root.level", carry="logging"),
        found("WS519", "sys.modules['app_of_remedy']"),
        found("WS111", "random:state"),
        found("WS501", "app_of_remedy.LOCK", where_set=f"{app}:3"),
    ]
    remedy = remedy_of(findings)
    assert remedy.beyond == ()
    namespace = built(remedy, monkeypatch)
    spec = namespace["spec"]
    assert spec.carry == ("logging", "app_of_remedy:OPTIONS", "app_of_remedy:Config.RATE")
    assert (spec.seed, spec.preload) == (0, ("app_of_remedy",))
    module = sys.modules["app_of_remedy"]
    before = module.LOCK
    opened = spec.resources["app_of_remedy.LOCK"].open()
    assert module.LOCK is opened is not before
    assert namespace["open_app_of_remedy_lock"].inherited is before


def test_long_declarations_have_a_line_for_each_option(monkeypatch: pytest.MonkeyPatch) -> None:
    """No line of options is longer than 88 columns where it can be broken."""
    names = [f"app:A_NAME_OF_SOME_LENGTH_{number}" for number in range(3)]
    remedy = remedy_of([found("WS511", name, carry=name) for name in [*names, "decimal"]])
    assert remedy.code().splitlines()[2] == "spec = WorkerSpec("
    built(remedy, monkeypatch)


def test_what_no_declaration_answers_is_said() -> None:
    """A finding that can't be carried keeps its reason, or else its remedy."""
    first = found("WS516", "app.LOCK", reason="Hand it to workers.")
    second = found("WS521", "app.Error")
    remedy = remedy_of([first, second])
    assert remedy.beyond == ((first, "Hand it to workers."), (second, "Do this."))
    assert not remedy.declares
    assert remedy.code() == ""


@pytest.mark.parametrize(
    ("source", "answer"),
    [
        ("X = random.Random()", "anew"),
        ("X = np.random.default_rng()", "anew"),
        ("X = random.Random(42)", "beyond"),
        ("X = make(random.Random())", "beyond"),
    ],
)
def test_generators_are_made_anew_unless_they_are_seeded(
    source: str, answer: str, tmp_path: Path
) -> None:
    """A generator of a given seed would draw the same in each worker, so it is left to the code."""
    path = tmp_path / "app.py"
    path.write_text(source)
    remedy = remedy_of([found("WS111", "app.X", where_set=f"{path}:1", reason="Other words.")])
    assert len(getattr(remedy, answer)) == 1
    assert all("workerstate.rng()" in text for _, text in remedy.beyond)


@pytest.mark.parametrize(
    ("parent", "worker", "reason"),
    [
        ("a multiprocessing.sharedctypes.Synchronized", None, "hand it on"),
        ("multiprocessing.queues.Queue #1a2b3c, in part", None, "hand it on"),
        ("class app.X", None, "top level"),
        ("function app.X #1a2b3c", None, "top level"),
        ("function app.X #1a2b3c", "function app.X #000000", None),
        ("function app.other #1a2b3c", None, None),
        ("app.X #1a2b3c", None, None),
        (None, None, None),
    ],
)
def test_what_plainly_cannot_be_carried_is_not(
    parent: str | None, worker: str | None, reason: str | None
) -> None:
    """What only its maker can hand on, or a worker would look up by name, is left to the code."""
    remedy = remedy_of([found("WS510", "app.X", carry="app:X", parent=parent, worker=worker)])
    if reason is None:
        assert remedy.names == ("app:X",)
    else:
        assert reason in remedy.beyond[0][1]


def test_what_was_refused_is_left_out() -> None:
    """What a trial could not carry is no part of the declaration, and has the trial's reason."""
    first, second = found("WS511", "app.A", carry="app:A"), found("WS511", "app.B", carry="app:B")
    remedy = remedy_of([first, second]).without({"app:A": "no pickle"})
    assert remedy.names == ("app:B",)
    assert remedy.beyond == ((first, "no pickle"),)
    assert remedy.without({}) == remedy


def test_no_findings_need_nothing() -> None:
    """Without findings there is nothing to declare."""
    assert remedy_of([]) == Remedy()


@pytest.mark.parametrize(
    ("name", "carry", "asked"),
    [
        ("decimal:prec", "decimal", "decimal:prec"),
        ("app.OPTIONS", "app:OPTIONS", "app:OPTIONS"),
        ("app.Config.RATE", "app:Config.RATE", "app:Config.RATE"),
    ],
)
def test_workers_are_asked_for_what_was_found(name: str, carry: str, asked: str) -> None:
    """A facet's key is asked for by the finding's name, a global by the carried one."""
    assert asked_about(found("WS511", name), carry) == asked


def test_remedy_points_at_the_code(tmp_path: Path) -> None:
    """What takes more than a call to open is in the code that --fix prints."""
    path = tmp_path / "app.py"
    path.write_text("X = connect()")
    shared = worded(found("WS502", "app.X", where_set=f"{path}:1"))
    expected = "Do this; audit --fix has code that opens it anew in each worker."
    assert shared.remedy == expected


@pytest.mark.parametrize(
    ("finding", "remedy"),
    [
        (
            found("WS511", "app.X", carry="app:X"),
            'Declare it: WorkerSpec(carry=["app:X"]). Or do this.',
        ),
        (
            found("WS519", "sys.modules['app']"),
            'Declare it: WorkerSpec(preload=["app"]). Or do this.',
        ),
        (found("WS111", "numpy:legacy"), "Declare it: WorkerSpec(seed=0). Or do this."),
        (found("WS516", "app.LOCK"), "Do this."),
        (found("WS510", "app.X", carry="app:X", parent="class app.X"), "Do this."),
    ],
)
def test_remedy_names_the_declaration(finding: Inherited, remedy: str) -> None:
    """What every format shows of a finding names the declaration that answers it."""
    assert worded(finding).remedy == remedy
    assert worded(finding).replace(remedy="Do this.") == finding


# --- what a worker opens for itself


def opening(tmp_path: Path, source: str, name: str = "app.X", line: int = 1) -> Opening | None:
    """Give how the module ``app`` of that source makes X."""
    path = tmp_path / "app.py"
    path.write_text(textwrap.dedent(source))
    return opening_of(found("WS502", name, where_set=f"{path}:{line}"))


@pytest.mark.parametrize(
    "source",
    [
        "X = connect(HOST, port=1)",
        "X: Connection = connect(HOST, port=1)",
        "if True:\n    X = connect(HOST, port=1)",
        "try:\n    X = connect(HOST, port=1)\nexcept OSError:\n    pass",
    ],
)
def test_a_call_at_the_top_level_can_be_repeated(tmp_path: Path, source: str) -> None:
    """A global that one call at the top level makes is opened by that call again."""
    made = opening(tmp_path, source)
    assert made is not None
    assert (made.full, made.expression) == ("app.X", "connect(HOST, port=1)")


@pytest.mark.parametrize(
    "source",
    [
        "X = None\ndef f():\n    global X\n    X = connect()",
        "X = None\ndef f():\n    global X\n    if X is not None:\n        X = connect()",
        "X = 0\ndef f():\n    global X\n    if X is None:\n        X = connect()",
        "X = None",
        "X = connect()\ndef f():\n    global X\n    X = connect()",
        "X = connect()\nX = connect()",
        "X = 3",
        "def f():\n    X = connect()",
        "class C:\n    X = connect()",
        "X = connect(lambda a: a)",
        "X = connect([a for a in B])",
        "X = (",
        "",
    ],
)
def test_other_globals_cannot(tmp_path: Path, source: str) -> None:
    """Set twice, in a function, by no call, by one with names of its own: left to the reader."""
    assert opening(tmp_path, source) is None


@pytest.mark.parametrize("test", ["X is None", "not X"])
def test_a_global_that_is_made_on_first_use_is_none_again(tmp_path: Path, test: str) -> None:
    """Where the code makes what it finds missing, a worker need only miss it."""
    source = f"""
        X = None

        def get():
            global X
            if {test}:
                X = connect()
            return X
    """
    made = opening(tmp_path, source)
    assert made is not None
    assert made.expression == "None"


def test_attributes_of_classes_are_no_globals(tmp_path: Path) -> None:
    """A global is not taken for a class's attribute of the same name, nor another module's."""
    assert opening(tmp_path, "X = connect()", name="app.C.X") is None
    assert opening(tmp_path, "X = connect()", name="other.X") is None
    assert opening(tmp_path, "X = connect()", name="X") is None


def test_expressions_are_written_for_another_module(tmp_path: Path) -> None:
    """Names of the module get its name before them, builtins don't; the main module's stay."""
    made = opening(tmp_path, "X = net.connect(HOST, int(PORT), **{'a': len})")
    assert made is not None
    call = "app.net.connect(app.HOST, int(app.PORT), **{'a': len})"
    assert f"    app.X = {call}\n" in made.code()
    assert made.code().startswith("def open_app_x():\n")
    own = opening(tmp_path, "X = net.connect(HOST)", name="__main__.X")
    assert own is not None
    assert "    global X\n" in own.code()
    assert "    X = net.connect(HOST)\n" in own.code()
    ast.parse(made.code() + "\n" + own.code())


# --- where it goes


@pytest.mark.parametrize(
    ("source", "after"),
    [
        ("import multiprocessing as mp\nmp.Pool(3)", "spec.multiprocessing().Pool(3)"),
        (
            "from multiprocessing import Process\nProcess(target=f, args=(1,))",
            "spec.multiprocessing().Process(target=f, args=(1,))",
        ),
        (
            "import multiprocessing\nmultiprocessing.get_context('spawn').Pool(2)",
            "spec.multiprocessing('spawn')",
        ),
        (
            "from concurrent.futures import ProcessPoolExecutor as P\nP()",
            "P(initializer=spec)",
        ),
        (
            "from concurrent.futures import ProcessPoolExecutor\nProcessPoolExecutor()",
            "ProcessPoolExecutor(initializer=spec)",
        ),
        (
            "import concurrent.futures\nconcurrent.futures.ProcessPoolExecutor(2)",
            "concurrent.futures.ProcessPoolExecutor(2, initializer=spec)",
        ),
        (
            "from loky import get_reusable_executor\nget_reusable_executor(2)",
            "get_reusable_executor(2, initializer=spec)",
        ),
        ("from joblib import Parallel\nParallel(2)(x)", ""),
        ("from psutil import Process\nProcess(3)", None),
        ("import redis\nredis.Client()", None),
        ("from .multiprocessing import Pool\nPool(3)", None),
        ("def Pool(n): ...\nPool(3)", None),
        ("from dask.distributed import Client\nClient()", None),  # not a backend that was seen
        ("x = (", None),
    ],
)
def test_calls_that_make_workers(tmp_path: Path, source: str, after: str | None) -> None:
    """A call is known by where its name comes from, and by what made the program's workers."""
    path = tmp_path / "program.py"
    path.write_text(source)
    calls = places([str(path), str(path)], ["multiprocessing", "futures", "loky", "joblib"])
    assert [call.after for call in calls] == ([] if after is None else [after])


def test_an_initializer_that_is_there_is_kept(tmp_path: Path) -> None:
    """Where the pool has an initializer, the reader is told to give it to the spec."""
    path = tmp_path / "program.py"
    path.write_text("from loky import ProcessPoolExecutor\nProcessPoolExecutor(initializer=f)")
    (call,) = places([str(path)], ["loky"])
    assert call.after == ""
    assert "WorkerSpec(initializer=...)" in call.note


def test_the_whole_remedy_is_python(app: Path, tmp_path: Path) -> None:
    """What --fix prints can be run as it is: what is not code is a comment."""
    path = tmp_path / "program.py"
    path.write_text("import multiprocessing as mp\nmp.Pool(3)\n")
    remedy = remedy_of(
        [
            found("WS511", "app_of_remedy.OPTIONS", carry="app_of_remedy:OPTIONS"),
            found("WS501", "app_of_remedy.LOCK", where_set=f"{app}:3"),
            found("WS516", "app.QUEUE", reason="Hand it to workers.\nAs an argument."),
        ]
    )
    for where in (places([str(path)], ["multiprocessing"]), ()):
        text = remedied.render(remedy, where, "program.py")
        compile(text, "pasted", "exec")
        for said in ("WS511 app_of_remedy.OPTIONS", "half changed", "Hand it to workers. As an"):
            assert said in text
    assert "initializer=spec" in text
