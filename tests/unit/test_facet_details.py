"""Unit: what single facets promise beyond the laws of all."""

from __future__ import annotations

import argparse
import decimal
import logging
import os
import signal
import sys
import threading
import types
import warnings

import pytest

from workerstate import facets, program
from workerstate.drift.reading import Declared
from workerstate.errors import FacetError
from workerstate.facets import CARRIED_ONLY, WATCHED, get, modules
from workerstate.fingerprint import NOT_READ
from workerstate.snapshot import take_snapshot
from workerstate.values import UNSET


def capture(name):
    """Give what a facet reads now."""
    return get(name).capture()


@pytest.fixture
def own(monkeypatch):
    """Let the facets take these as the observer's."""
    monkeypatch.setattr(get_module("environ"), "OWN_PATHS", {"/observer"})
    monkeypatch.setattr(get_module("sys_path"), "OWN_PATHS", {"/observer"})


def get_module(name):
    get(name)
    return sys.modules[f"workerstate.facets.{name}"]


@pytest.fixture
def app(monkeypatch, tmp_path):
    """Give an imported module of the program."""
    monkeypatch.setattr(program, "_foreign", set())
    made = types.ModuleType("app")
    made.__file__ = str(tmp_path / "app.py")
    monkeypatch.setitem(sys.modules, "app", made)
    return made


def in_a_thread(function):
    """Give what a function returns in a thread of its own."""
    found = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found[0]


def test_every_file_is_in_the_table():
    """Each file in facets/ is named in a table and holds a facet of that name."""
    folder = os.path.dirname(facets.__file__)
    files = {name[:-3] for name in os.listdir(folder) if name.endswith(".py")}
    files -= {"__init__", "plugins"}
    names = [*WATCHED, *CARRIED_ONLY]
    assert files == set(names)
    assert [get(name).name for name in names] == names


def test_all_can_be_read_in_any_thread():
    """A snapshot taken outside the main thread misses nothing."""
    assert in_a_thread(take_snapshot).absent == take_snapshot().absent


# --- environ and sys_path


def test_the_observers_variables_are_not_the_programs(monkeypatch, own):
    """What the observer sets, and puts on PYTHONPATH, is not shown as the program's."""
    monkeypatch.setenv("WORKERSTATE_ANYTHING", "1")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["/observer", "/a", "/b"]))
    settings = capture("environ").settings
    assert "WORKERSTATE_ANYTHING" not in settings
    assert settings["PYTHONPATH"] == os.pathsep.join(["/a", "/b"])
    monkeypatch.setenv("PYTHONPATH", "/observer")
    assert "PYTHONPATH" not in capture("environ").settings


def test_the_observer_stays_on_the_path(monkeypatch, own):
    """Applying the program's PYTHONPATH and sys.path keeps the observer's directories."""
    monkeypatch.setenv("PYTHONPATH", "/observer")
    monkeypatch.setattr(sys, "path", ["/observer", *sys.path])
    get("environ").apply({"PYTHONPATH": "/a"})
    get("sys_path").apply({"path": ["/a"]})
    assert os.environ["PYTHONPATH"] == os.pathsep.join(["/observer", "/a"])
    assert sys.path == ["/observer", "/a"]


def test_environ_deletes_only_what_is_unset(monkeypatch):
    """None and UNSET delete a variable; those that are not named stay."""
    for name in ("ONE_GONE", "TWO_GONE", "STAYS"):
        monkeypatch.setenv(name, "x")
    get("environ").apply({"ONE_GONE": None, "TWO_GONE": UNSET, "NEVER_SET": None})
    assert "ONE_GONE" not in os.environ
    assert "TWO_GONE" not in os.environ
    assert os.environ["STAYS"] == "x"


def test_undecodable_variables_are_carried(monkeypatch):
    """A variable that is not UTF-8 arrives as it is."""
    monkeypatch.setitem(os.environb, b"ODD", b"\xff\xfe")
    settings = capture("environ").settings
    monkeypatch.delenv("ODD")
    get("environ").apply({"ODD": settings["ODD"]})
    assert os.environb[b"ODD"] == b"\xff\xfe"


def test_a_replaced_environ_is_absent_with_its_reason(monkeypatch):
    """A mapping of the program's in place of os.environ is not asked for anything."""
    with monkeypatch.context() as patch:
        patch.setattr(os, "environ", types.MappingProxyType({}))
        absent = take_snapshot(["environ"]).absent
    assert "os.environ was replaced by a mappingproxy" in absent["environ"]


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("MODE", "fast", True),
        ("API_TOKEN", "hunter2", False),
        ("DATABASE", "postgres://me:hunter2@host/db", False),
        ("URL", "https://host/path", True),
    ],
)
def test_variables_are_said_without_their_values(name, value, shown):
    """A variable's value shows only if asked for, and never if it looks like a secret."""
    describe = get("environ").describe
    hidden = describe(name, value)
    assert hidden.startswith(f"set, {len(value)} characters #")
    assert (value in describe(name, value, values=True)) is shown
    assert describe(name, value) != describe(name, value + "x")
    assert describe(name, UNSET) == "unset"


# --- cwd


def test_a_deleted_directory_is_observed(tmp_path, monkeypatch):
    """A current directory that is gone is said to be, and does not break the facet."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    read = capture("cwd")
    assert read.observed == {"directory": "not there (FileNotFoundError)"}
    assert "umask" in read.settings


def test_the_umask_is_read_without_being_set(monkeypatch):
    """Reading the umask does not call os.umask, which another thread could notice."""
    now = os.umask(0)
    os.umask(now)
    monkeypatch.delattr(os, "umask")
    assert capture("cwd").settings["umask"] == now


# --- warnings


def test_filters_keep_their_order_and_patterns():
    """Filters come back in the order, and match what they matched."""
    with warnings.catch_warnings():
        warnings.resetwarnings()
        warnings.filterwarnings("ignore", "Some .*", UserWarning, "test_.*", 3)
        warnings.simplefilter("error", DeprecationWarning)
        warnings.filterwarnings("ignore", category=DeprecationWarning, append=True)
        settings = capture("warnings").settings
    with warnings.catch_warnings():
        get("warnings").apply(settings)
        assert capture("warnings").settings == settings
        with pytest.raises(DeprecationWarning):
            warnings.warn("first rule wins", DeprecationWarning, stacklevel=1)
        warnings.warn_explicit("some text", UserWarning, "f.py", 3, module="test_a")


def test_a_local_category_is_observed():
    """A filter whose category can't be imported is shown, and the others are carried."""
    local = type("LocalWarning", (UserWarning,), {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", local)
        read = capture("warnings")
    assert "ignore" in read.observed["other filters"]
    assert not any("LocalWarning" in str(entry) for entry in read.settings["filters"])


@pytest.mark.skipif(sys.version_info < (3, 14), reason="filters per context came with 3.14")
def test_filters_of_the_context_are_read():
    """Within catch_warnings the filters in force are those of the context."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BytesWarning)
        inside = capture("warnings").settings
    assert ("ignore", None, "builtins:BytesWarning", None, 0) in inside["filters"]
    assert capture("warnings").settings != inside


# --- decimal


def test_reading_decimal_makes_no_context():
    """A thread that was looked at still takes its context from DefaultContext when it needs one."""

    def look_then_use():
        first = capture("decimal").settings["prec"]
        default = decimal.DefaultContext.prec
        decimal.DefaultContext.prec = 11
        try:
            return first, decimal.getcontext().prec, capture("decimal").settings["prec"]
        finally:
            decimal.DefaultContext.prec = default

    assert in_a_thread(look_then_use) == (28, 11, 11)


# --- signals, hooks, threads


def test_a_handler_without_a_name_is_observed(monkeypatch):
    """A signal handler that can't be imported by name is shown and not carried."""
    before = signal.signal(signal.SIGUSR1, lambda *args: None)
    try:
        read = capture("signals")
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert "SIGUSR1" not in read.settings
    assert read.observed["SIGUSR1"].startswith("function ")


def test_signals_refuse_another_thread():
    """Handlers can be installed in the main thread only, and the error says so."""
    with pytest.raises(FacetError, match="main thread"):
        in_a_thread_raising(lambda: apply_in_order({"signals": {"SIGUSR1": "ignored"}}))


def apply_in_order(settings):
    from workerstate.snapshot import apply_settings

    apply_settings(settings)


def in_a_thread_raising(function):
    """Run a function in a thread, and raise here what it raised."""
    raised = []

    def run():
        try:
            function()
        except BaseException as error:
            raised.append(error)

    in_a_thread(run)
    raise raised[0]


def test_replaced_streams_and_traces_are_observed(monkeypatch):
    """A replaced stdout and a profile function are shown."""
    import io

    monkeypatch.setattr(sys, "stdout", io.StringIO())
    read = capture("hooks")
    assert read.observed["sys.stdout"] == "replaced by _io.StringIO"


FILES = """
import os
from workerstate import facets
def files():
    return facets.get("threads").capture().observed["files"]
before = files()
descriptor = os.open(os.devnull, os.O_RDONLY)
opened = files()
facets.OWN_FDS.add(descriptor)
print(opened != before, files() == before)
"""


def test_the_observers_files_are_not_counted(run_plain):
    """A descriptor that the observer registered is left out."""
    # In a process of its own: here threads of other tests open and close files.
    assert run_plain(FILES).stdout == b"True True\n"


# --- modules


def test_globals_and_class_attributes_are_texts(app):
    """A change of a global, a class attribute or a function shows under its name."""
    exec("OPTIONS = {'a': 1}\nclass Config:\n    RATE = 1\ndef work(): return 1", vars(app))
    before = capture("modules").observed
    exec("OPTIONS['a'] = 2\nConfig.RATE = 2\nwork = lambda: 2", vars(app))
    after = capture("modules").observed
    own = [key for key in before if key.startswith("app.")]  # the tests' modules are there too
    changed = {key for key in own if before[key] != after[key]}
    assert changed == {"app.OPTIONS", "app.Config.RATE", "app.work"}


def test_a_patched_function_shows(app):
    """A function replaced by one from elsewhere is named by where that one is from."""
    app.dumps = os.path.join
    assert capture("modules").observed["app.dumps"].startswith("function posixpath.join #")


def test_names_are_bounded(app, monkeypatch):
    """Past the bound no further names are looked at, and the text says so."""
    monkeypatch.setattr(modules, "MOST_NAMES", 5)
    vars(app).update({f"name_{number}": number for number in range(50)})
    observed = capture("modules").observed
    assert observed["(more)"] == "only 5 names were looked at"
    assert len(observed) == 7


def test_time_is_bounded(app, monkeypatch):
    """Past the time allowed, names stay and are said not to be read."""
    monkeypatch.setattr(modules, "MOST_SECONDS", -1)
    app.OPTION = 1
    assert capture("modules").observed["app.OPTION"] == NOT_READ


def test_who_asks_for_all_globals_has_the_time(app, monkeypatch):
    """Purity reads what a program that is watched has no time for."""
    monkeypatch.setattr(modules, "MOST_SECONDS", -1)
    app.OPTION = 1
    assert Declared(whole=True).captured().observed["app.OPTION"] != NOT_READ


def test_declared_values_are_copies(app):
    """What was declared is as of now, whatever the program does with it afterwards."""
    app.OPTIONS = {"a": [1]}
    declared = get("modules").declared(["app:OPTIONS"])
    app.OPTIONS["a"].append(2)
    assert declared == {"app:OPTIONS": {"a": [1]}}


def test_declared_values_are_put_back_in_place(app):
    """A list, dict or set keeps its identity, so that who imported it sees the change."""
    app.OPTIONS, app.NAMES, app.IDS, app.LEVEL = {"a": 1}, ["x"], {1}, 3
    names = ["app:OPTIONS", "app:NAMES", "app:IDS", "app:LEVEL"]
    held = [app.OPTIONS, app.NAMES, app.IDS]
    settings = get("modules").declared(names)
    app.OPTIONS["a"], app.LEVEL = 2, 4
    app.NAMES.append("y")
    app.IDS.clear()
    get("modules").apply(settings)
    assert ({"a": 1}, ["x"], {1}, 3) == (app.OPTIONS, app.NAMES, app.IDS, app.LEVEL)
    assert held == [app.OPTIONS, app.NAMES, app.IDS]
    assert app.OPTIONS is held[0]
    assert app.NAMES is held[1]
    assert app.IDS is held[2]


def test_a_star_declares_plain_globals(app):
    """``module:*`` takes data, and leaves functions, classes, modules and private names."""
    exec("A = 1\nB = [2]\n_c = 3\nimport os\ndef f(): pass\nclass G: pass", vars(app))
    assert get("modules").declared(["app:*"]) == {"app:A": 1, "app:B": [2]}


VALUES = """
import array, datetime, decimal, enum, fractions, http, ipaddress, logging, pathlib, re, uuid
from pathlib import Path
PATH, PURE = Path("a"), pathlib.PurePosixPath("b")
ID, WHEN, PRICE, HALF = uuid.UUID(int=1), datetime.date(2020, 1, 1), decimal.Decimal(3), 1j
PART, HOST, WORD = fractions.Fraction(1, 2), ipaddress.ip_address("::1"), re.compile("a+", re.I)
LOG = logging.LoggerAdapter(logging.getLogger("app"), {"tenant": "?"})
NUMBERS, STATUS = array.array("i", [1, 2]), http.HTTPStatus.OK
class Color(enum.Enum):
    RED = 1
COLOR = Color.RED
"""


def test_a_star_declares_values_of_the_standard_library(app):
    """Paths, dates, patterns, members of enumerations and the like are data."""
    sys.modules["app"].__name__ = "app"
    exec(VALUES, vars(app))
    names = {key.partition(":")[2] for key in get("modules").declared(["app:*"])}
    assert names == {name for name in vars(app) if name.isupper()}


ODD = """
import random, threading, logging, itertools
GENERATOR, LOCK, LOG, COUNT = random.Random(1), threading.Lock(), logging.getLogger(), [open]
HANDLE = [threading.Lock()]
del COUNT
"""


def test_a_star_leaves_what_is_no_data(app):
    """Generators of random numbers, loggers, and what holds a lock, are left out."""
    exec(ODD, vars(app))
    assert get("modules").declared(["app:*"]) == {}


CLASSES = """
import threading
class Base:
    root = "a"
    _made = 0
    __hidden = 1
class Config(Base):
    rate = 1
    names = ["x"]
    lock = threading.Lock()
    locks = [threading.Lock()]
    class Inner:
        depth = 2
    def method(self): pass
    @property
    def prop(self): pass
    @staticmethod
    def static(): pass
    @classmethod
    def made(cls): pass
class Slots:
    __slots__ = ("a",)
from argparse import Namespace
"""
OWN = {"app:Config.rate": 1, "app:Config.names": ["x"], "app:Config.Inner.depth": 2}


def test_a_star_declares_attributes_of_classes(app):
    """``module:*`` takes the data that classes of the module hold; not what is private."""
    exec(CLASSES, vars(app))
    assert get("modules").declared(["app:*"]) == {**OWN, "app:Base.root": "a"}


def test_a_class_is_its_attributes_too(app):
    """``module:Class`` takes the class by name, and the data that it and its bases hold."""
    exec(CLASSES, vars(app))
    bases = {"app:Base.root": "a", "app:Base._made": 0, "app:Base._Base__hidden": 1}
    assert get("modules").declared(["app:Config"]) == {**OWN, **bases, "app:Config": app.Config}


@pytest.mark.parametrize("name", ["app:LOCK", "app:MISSING", "not_there_at_all:X"])
def test_what_cannot_be_declared_is_named(app, name):
    """A name that is not there, or can't be pickled, is an error that names it."""
    app.LOCK = threading.Lock()
    with pytest.raises(FacetError, match=f"capture of {name} failed"):
        get("modules").declared([name])


# --- libraries


def test_torch_says_what_it_refuses(monkeypatch):
    """A number of inter-op threads that torch won't take is an error, not silence."""
    torch = fake_torch()
    monkeypatch.setitem(sys.modules, "torch", torch)
    facet = get("torch")
    facet.apply(facet.capture().settings)
    with pytest.raises(FacetError, match="interop"):
        facet.apply({"num_interop_threads": 7})


def fake_torch():
    from importlib.util import module_from_spec, spec_from_file_location
    from pathlib import Path

    path = Path(__file__).parent.parent / "laws" / "fakes" / "site-packages" / "torch.py"
    spec = spec_from_file_location("torch", path)
    made = module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.mark.parametrize("name", ["numpy", "pandas", "sklearn", "torch", "matplotlib", "decimal"])
def test_a_half_imported_library_is_absent(monkeypatch, name):
    """A snapshot taken while a library is being imported says that it could not be read."""
    monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    for module in list(sys.modules):
        if module.startswith(f"{name}."):
            monkeypatch.delitem(sys.modules, module)
    assert "failed" in take_snapshot([name]).absent[name]


def test_a_time_zone_that_tz_does_not_give_is_refused(monkeypatch):
    """The locale facet does not pretend to have set a time zone without its variable."""
    settings = {"timezone": ("ABC", "ABC", -3600)}
    with pytest.raises(FacetError, match="carry environ too"):
        get("locale").apply(settings)


# --- logging


@pytest.fixture
def log_state():
    """Put back what a test does to the logging module."""
    facet = get("logging")
    before = facet.capture().settings
    yield facet
    now = facet.capture().settings
    facet.apply({**dict.fromkeys(now, UNSET), **before})


NAMELESS = """
import logging, threading
def make(held):
    def trace(self): return held
    return trace
def make_factory(held):
    def factory(*args, **kwargs): return held, logging.LogRecord(*args, **kwargs)
    return factory
"""


def test_methods_on_loggers_are_settings(app, log_state):
    """A method that the program has put on Logger is carried, and UNSET takes it away."""
    exec(NAMELESS, vars(app))
    logging.Logger.trace = made = app.make(["plain", {"a": 1}])
    settings = log_state.capture().settings
    assert settings["logging:Logger.trace"] is made
    log_state.apply({"logging:Logger.trace": UNSET})
    assert not hasattr(logging.Logger, "trace")


def test_a_replaced_method_is_put_back(app, log_state):
    """UNSET gives back logging's own method, in whose place one of the program's was."""
    exec(NAMELESS, vars(app))
    own = logging.Logger.makeRecord
    log_state.apply({"logging:Logger.makeRecord": app.make(1)})
    assert logging.Logger.makeRecord is not own
    assert "logging:Logger.makeRecord" in log_state.capture().settings
    log_state.apply({"logging:Logger.makeRecord": UNSET})
    assert logging.Logger.makeRecord is own
    log_state.apply({"logging:Logger.makeRecord": UNSET})
    assert logging.Logger.makeRecord is own


def test_what_holds_more_than_data_is_shown_only(app, log_state):
    """A record factory that holds a lock can't be carried, and a library's method isn't."""
    exec(NAMELESS, vars(app))
    logging.setLogRecordFactory(app.make_factory([threading.Lock()]))
    made = {"__name__": "some_library"}
    exec(NAMELESS, made)
    logging.Logger.traced = made["make"](1)
    try:
        read = log_state.capture()
    finally:
        logging.setLogRecordFactory(logging.LogRecord)
        del logging.Logger.traced
    assert not {"logging:logRecordFactory", "logging:Logger.traced"} & read.settings.keys()
    assert "logging:logRecordFactory" in read.observed


def test_a_filter_without_a_name_is_a_setting(app, log_state):
    """A filter that is a function inside another is carried as itself."""
    exec(NAMELESS, vars(app))
    logger, made = logging.getLogger("app.filtered"), app.make("x")
    logger.addFilter(made)
    settings = log_state.capture().settings
    assert settings["app.filtered.filters"] == [(made, None)]
    logger.filters.clear()
    log_state.apply({"app.filtered.filters": settings["app.filtered.filters"]})
    assert logger.filters == [made]


@pytest.mark.parametrize("kind", [dict, types.SimpleNamespace, argparse.Namespace])
def test_what_several_modules_have_is_changed_in_place(kind):
    """Who imported an object before its attributes are carried has the new ones too."""
    module = types.ModuleType("has_options")
    module.OPTIONS = mine = kind(rate=1)
    modules.put(module, "OPTIONS", kind(rate=2, mode="x"))
    assert module.OPTIONS is mine
    assert mine == kind(rate=2, mode="x")
