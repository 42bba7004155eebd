"""Unit: what a declaration says of libraries that log, and of context variables. No processes."""

from __future__ import annotations

import contextvars
import copyreg
import pickle
import sys
import threading

import pytest

from workerstate import SpecError, WorkerSpec
from workerstate.facets import contextvars as variables
from workerstate.facets import get
from workerstate.records import loguru_bridge
from workerstate.values import UNSET

TENANT = contextvars.ContextVar("tenant", default="nobody's")


@pytest.fixture(autouse=True)
def _picklers():
    """Let what a declaration tells picklers begin and end with the test."""
    before = dict(copyreg.dispatch_table)
    for kind in [kind for kind in before if kind.__name__ in ("ContextVar", "Logger")]:
        del copyreg.dispatch_table[kind]
    yield
    copyreg.dispatch_table.clear()
    copyreg.dispatch_table.update(before)


@pytest.fixture
def logger():
    """Give loguru's logger, without sinks."""
    logger = pytest.importorskip("loguru").logger
    logger.remove()
    return logger


@pytest.mark.parametrize("library", ["loguru", "structlog"])
def test_a_library_that_is_not_imported_is_refused(library, monkeypatch):
    """To carry the state of a library that the parent has not imported is a mistake."""
    monkeypatch.delitem(sys.modules, library, raising=False)
    with pytest.raises(SpecError, match=f"{library} is not imported here; import it, or leave"):
        WorkerSpec(carry=[library])
    WorkerSpec(carry="all")


def test_who_declares_nothing_pickles_as_ever(logger, tmp_path):
    """Only a program that carries them has its loggers and variables sent by name."""
    logger.add(tmp_path / "log")
    WorkerSpec(carry=["warnings"])
    for value in (logger, TENANT):
        with pytest.raises(TypeError, match="cannot pickle"):
            pickle.dumps(value)


def test_a_reducer_of_the_programs_stays(logger):
    """Who has told pickle how to send a logger is not overruled."""
    copyreg.pickle(type(logger), lambda _: (str, ("mine",)))
    loguru_bridge.send_by_name()
    assert pickle.loads(pickle.dumps(logger)) == "mine"


def test_a_logger_goes_by_name(logger, tmp_path):
    """A logger of loguru's, and one with something bound, are the same when they arrive."""
    logger.add(tmp_path / "log")
    WorkerSpec(carry=["loguru"])
    assert pickle.loads(pickle.dumps(logger)) is logger
    bound = pickle.loads(pickle.dumps(logger.bind(user="ada")))
    assert bound._core is logger._core
    assert bound._options == logger.bind(user="ada")._options


def test_a_variable_goes_by_name():
    """A context variable of the program's is the same one when it arrives."""
    variables.send_by_name()
    assert pickle.loads(pickle.dumps([TENANT]))[0] is TENANT


def test_a_variable_without_a_name_is_refused():
    """A context variable that stands nowhere can't be sent, and the error says what to do."""
    variables.send_by_name()
    with pytest.raises(TypeError, match=r"'local', which is no global .* make it one"):
        pickle.dumps(contextvars.ContextVar("local"))


def test_a_variable_holds_nothing_again():
    """UNSET takes back what was set in this context, and the default shows."""
    facet, name = get("contextvars"), f"{__name__}:TENANT"

    def apply():
        facet.apply({name: "acme"})
        found = [TENANT.get()]
        facet.apply({name: UNSET})
        return [*found, TENANT.get(), TENANT in contextvars.copy_context()]

    assert contextvars.copy_context().run(apply) == ["acme", "nobody's", False]


def test_modules_turned_off_in_loguru(logger):
    """What is on and off in loguru arrives, packages before what is inside them."""
    facet = get("loguru")
    try:
        logger.disable("a_package")
        logger.enable("a_package.part")
        settings = facet.capture().settings
        assert settings["enabled a_package"] is False
        logger.enable("a_package")
        facet.apply(settings)
        assert facet.capture().settings == settings
        facet.apply(dict.fromkeys(settings, UNSET))
        assert not [key for key in facet.capture().settings if key.startswith("enabled")]
    finally:
        logger.enable("a_package")


def bind_a_lock(logger):
    TENANT.set(threading.Lock())
    return logger.contextualize(lock=threading.Lock())


def test_what_is_bound_and_can_not_be_sent_is_refused(logger):
    """A lock in a context is an error that names it and says what to do; for "all" it stays."""

    def declare():
        with bind_a_lock(logger):
            with pytest.raises(SpecError, match=r"loguru_context: lock: a lock .* unbind it"):
                WorkerSpec(carry=["loguru"])
            with pytest.raises(SpecError, match=r"TENANT: a lock can't be sent"):
                WorkerSpec(carry=["contextvars"])
            WorkerSpec(carry="all")

    contextvars.copy_context().run(declare)


def test_what_structlog_was_configured_with():
    """Its options are put back, and are as if nobody had set them after UNSET."""
    structlog = pytest.importorskip("structlog")
    facet = get("structlog")
    try:
        structlog.configure(processors=[structlog.processors.JSONRenderer()])
        settings = facet.capture().settings
        structlog.reset_defaults()
        assert facet.capture().settings == {}
        facet.apply(settings)
        assert facet.capture().settings == settings
        facet.apply(dict.fromkeys(settings, UNSET))
        assert not structlog.is_configured()
    finally:
        structlog.reset_defaults()
