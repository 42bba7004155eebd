"""Records of real workers reach the parent's handlers: all, once, in order, as they were."""

from __future__ import annotations

import contextlib
import contextvars
import logging
import os
import re
import subprocess
import sys
import threading
import time
import warnings

import pytest
import records_workers as workers
from records_helpers import (
    DEADLINE,
    METHODS,
    Keeper,
    crew,
    descriptors,
    folders,
    keeping,
    kept,
    no_fork_server_left,
    program,
    threads,
)

from workerstate import Executor, WorkerSpec
from workerstate.facets import get
from workerstate.records import hub as hub_module
from workerstate.records import sender, stdio, variables

__all__ = ["crew", "kept", "no_fork_server_left"]  # fixtures


@pytest.mark.parametrize("method", METHODS)
def test_records_arrive_as_they_were(method, crew, kept):
    """Levels, extras, exception, stack and the worker's own process fields, however started."""
    hub, keeper = kept
    process = crew.start(method, workers.one_of_each, hub.address())
    assert crew.join() == [0]
    assert hub.drain(DEADLINE)
    plain, failed, where, long, root, me = keeper.records
    assert plain.getMessage() == "plain text"
    assert (plain.number, plain.odd, plain.good) == (3, "<NoPickle>", [1, 2])
    assert failed.exc_info[0] is KeyError
    assert "raise KeyError" in failed.exc_text
    assert "one_of_each" in where.stack_info
    assert long.getMessage() == "x" * 200_000
    assert root.name == "root"
    assert {r.process for r in keeper.records} == {process.pid}
    assert me.report == {"pid": process.pid, "process": me.processName}
    assert plain.funcName == "one_of_each"
    assert hub.received == 6


@pytest.mark.parametrize("how", ["return", "sigkill", "segfault", "os._exit"])
@pytest.mark.parametrize("method", METHODS)
def test_last_words_are_kept(method, how, crew, kept):
    """Whatever ends a worker right after emit: nothing lost, doubled or out of order."""
    hub, keeper = kept
    for worker in range(2):
        crew.start(method, workers.numbered, hub.address(), worker, 3000, how)
    crew.join()
    assert hub.drain(DEADLINE)
    assert list(keeper.numbers().values()) == [list(range(3000))] * 2


@pytest.mark.parametrize("method", METHODS)
def test_levels_are_filtered_in_the_worker(method, crew, kept):
    """A disabled level never reaches the pipe."""
    hub, keeper = kept
    assert crew.run(method, workers.hidden_debug, hub.address(), 100) == 0
    assert hub.drain(DEADLINE)
    assert hub.received == 1
    assert keeper.messages() == ["sent"]


def test_the_parents_levels_and_filters_decide(crew, kept):
    """What the parent's loggers would not let through isn't let through of a worker's either."""
    hub, keeper = kept
    logger = logging.getLogger("app.worker")
    logger.addFilter(lambda record: "n=1" not in record.getMessage())
    try:
        assert crew.run("fork", workers.numbered, hub.address(), 0, 3) == 0
        assert hub.drain(DEADLINE)
        assert keeper.messages() == ["w=0 n=0 ", "w=0 n=2 "]
        logger.setLevel(logging.ERROR)
        assert crew.run("spawn", workers.numbered, hub.address(), 0, 3) == 0
        assert hub.drain(DEADLINE)
        assert len(keeper.records) == 2
    finally:
        logger.setLevel(logging.NOTSET)
        logger.filters.clear()


def test_a_forked_worker_writes_by_no_handler_it_inherited(crew, kept, tmp_path):
    """Not the root's, nor another's, nor that of a logger which doesn't propagate."""
    hub, keeper = kept
    closed, opened = logging.getLogger("closed"), logging.getLogger("open")
    closed.propagate = False
    files = {}
    for logger in (closed, opened, logging.getLogger()):
        handler = files[logger] = logging.FileHandler(tmp_path / logger.name)
        handler.setFormatter(logging.Formatter("%(process)d %(message)s"))
        logger.addHandler(handler)
    try:
        process = crew.start("fork", workers.inherited, hub.address())
        assert crew.join() == [0]
        assert hub.drain(DEADLINE)
        texts = {logger.name: (tmp_path / logger.name).read_text() for logger in files}
        assert texts == {
            "closed": f"{process.pid} closed\n",
            "open": f"{process.pid} open\n",
            "root": f"{process.pid} open\n{process.pid} root\n",
        }
        assert keeper.messages() == ["open", "root"]
    finally:
        closed.propagate = True
        for logger, handler in files.items():
            logger.removeHandler(handler)
            handler.close()


def test_workers_of_workers_connect_on_their_own(crew, kept):
    """Their records have their own process id, and come before the worker goes on."""
    hub, keeper = kept
    outer = crew.start("spawn", workers.nested, hub.address(), ["fork", "spawn", "forkserver"])
    assert crew.join() == [0]
    assert hub.drain(DEADLINE)
    inner = [r for r in keeper.records if r.getMessage().startswith("inner")]
    assert sorted(r.getMessage()[6:] for r in inner) == ["fork", "forkserver", "os.fork", "spawn"]
    assert all(r.process == r.own != outer.pid for r in inner)
    own = [r.getMessage() for r in keeper.records if r.process == outer.pid]
    assert own == ["outer before", "outer after"]
    assert hub.reconnected == 2


def test_a_plain_subprocess_is_a_worker_too(kept):
    """The address fits into one line of text."""
    hub, keeper = kept
    address = f"records_workers.Address.from_text({hub.address().to_text()!r})"
    with program(f"numbered({address}, 0, 100, 'sigkill')") as process:
        process.wait(DEADLINE)
    assert hub.drain(DEADLINE)
    assert list(keeper.numbers().values()) == [list(range(100))]


def test_seventy_workers_at_once(crew, kept):
    """More than an unprivileged user has megabytes of pipe buffers; the hub shares them out."""
    hub, keeper = kept
    hub.expect(70)
    for worker in range(70):
        crew.start("fork", workers.numbered, hub.address(), worker, 200, "sigkill")
    assert hub.drain(DEADLINE)
    crew.join()
    assert hub.drain(DEADLINE)
    assert list(keeper.numbers().values()) == [list(range(200))] * 70


def test_the_hubs_own_process_needs_no_handler(kept):
    """Threads and inline tasks log as ever."""
    hub, keeper = kept
    assert sender.install(hub.address())
    assert stdio.install(hub.address())
    logging.getLogger("app").info("here")
    assert sender.current() is None
    assert keeper.messages() == ["here"]


def test_uninstall_puts_handlers_back(crew, kept):
    """A process that has installed the sender twice and taken it out is as before."""
    hub, keeper = kept
    pid = os.fork()
    if pid == 0:
        status = 1
        with contextlib.suppress(BaseException):
            before = logging.getLogger().handlers[:]
            for _ in range(2):
                assert sender.install(hub.address())
                assert len(logging.getLogger().handlers) == 1
            sender.uninstall()
            status = 0 if logging.getLogger().handlers == before else 2
        os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert keeper.records == []


def test_drain_waits_for_workers_that_were_launched(crew, kept):
    """An expected worker that has not connected makes drain wait, and say so."""
    hub, _ = kept
    hub.expect(1)
    assert not hub.drain(0.05)
    hub.expect(-1)
    assert hub.drain(0.05)
    hub.expect(1)
    assert crew.run("fork", workers.numbered, hub.address(), 0, 1) == 0
    assert hub.drain(DEADLINE)


@pytest.mark.parametrize("how", ["return", "sigkill"])
@pytest.mark.parametrize("method", METHODS)
def test_print_and_native_output_are_carried(method, how, crew, kept, capsys, monkeypatch):
    """Whole lines of print, of native code and of the worker's own children, to sys.stdout here."""
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    hub, _ = kept
    crew.run(method, workers.printing, hub.address(), how)
    assert hub.drain(DEADLINE)
    out, err = capsys.readouterr()
    rest = "no newline" if how == "return" else ""
    assert out == "from print\nfrom native code\nfrom a child\n" + rest
    assert err == "from print to stderr\n"


class ReadingVariables(logging.Filter):
    """The filter that adds a request's id to each record of a handler."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple] = []

    def filter(self, record):
        held = (workers.REQUEST.get(), workers.TAGS.get(None), workers.CONNECTION.get())
        assert variables.FIELD not in vars(record)
        self.seen.append((record.getMessage(), *held, workers.OTHER.get()))
        workers.OTHER.set("left by a filter")
        return True


def _logged_in_contexts(method, spec, count):
    """Submit tasks from contexts of their own; give what a handler's filter has read."""
    root, keeper, reading = logging.getLogger(), Keeper(), ReadingVariables()
    keeper.addFilter(reading)

    def submit(pool, n):
        workers.REQUEST.set(f"request {n}")
        workers.TAGS.set([])
        workers.CONNECTION.set("open")
        return pool.submit(workers.in_a_context, n)

    handlers, level = root.handlers[:], root.level
    root.handlers[:] = [keeper]
    root.setLevel(logging.INFO)
    try:
        with Executor(2, spec=spec, start_method=method) as pool:
            for task in [contextvars.Context().run(submit, pool, n) for n in range(count)]:
                task.result(DEADLINE)
        assert hub_module.shared().drain(DEADLINE)
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    assert len(keeper.records) == len(reading.seen) == 3 * count
    return sorted(reading.seen, key=lambda each: each[0])


POOLS = ["template", *(method for method in METHODS if method != "forkserver")]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("method", POOLS)
def test_a_handlers_filter_finds_the_carried_context_variables(method):
    """As they were in the worker when the record was made; those alone; and nothing stays."""
    seen = _logged_in_contexts(method, WorkerSpec(carry=["logging", "contextvars"]), 4)
    assert seen[:4] == [("in no context", "-", None, None, "-")] * 4
    assert seen[4:] == [
        each
        for n in range(4)
        for each in (
            (f"n={n}", f"request {n}", [], "open", "-"),
            (f"n={n}", f"request {n}, changed", [n], None, "-"),
        )
    ]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_context_variables_that_are_named_are_the_only_ones():
    """What isn't carried keeps its default in the parent."""
    carry = ["logging", "records_workers:REQUEST", "records_workers:TAGS"]
    seen = _logged_in_contexts("template", WorkerSpec(carry=carry), 1)
    assert seen[1:] == [
        ("n=0", "request 0", [], None, "-"),
        ("n=0", "request 0, changed", [0], None, "-"),
    ]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_loguru_enters_the_parents_loguru(method, crew, kept):
    """Message, level, extra, exception and process are the worker's; order with stdlib is kept."""
    logger = pytest.importorskip("loguru").logger
    hub, keeper = kept
    seen: list = []
    logger.remove()
    sink = logger.add(lambda text: seen.append((text.record, str(text))), level="INFO")
    try:
        process = crew.start(method, workers.with_loguru, hub.address())
        crew.join()
        assert hub.drain(DEADLINE)
    finally:
        logger.remove(sink)
    first, own, failed = [record for record, _ in seen]
    assert first["message"] == "braces {} 1"
    assert first["extra"] == {"user": "ada", "odd": "<NoPickle>"}
    assert {r["process"].id for r, _ in seen} == {process.pid}
    assert (own["level"].name, own["level"].no) == ("NOTICE25", 25)
    assert failed["exception"].type is KeyError
    assert "raise KeyError" in seen[2][1]
    assert first["function"] == "with_loguru"
    assert keeper.messages() == ["stdlib between"]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_structlog_is_rendered_in_the_parent(method, crew, kept):
    """Events arrive as mappings, and the parent's ProcessorFormatter renders them."""
    structlog = pytest.importorskip("structlog")
    hub, keeper = kept
    formatter = structlog.stdlib.ProcessorFormatter
    structlog.configure(
        processors=[structlog.stdlib.add_log_level, formatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    try:
        settings = get("structlog").capture().settings
        assert crew.run(method, workers.with_structlog, hub.address(), settings) == 0
        assert hub.drain(DEADLINE)
        happened, failed = keeper.records
        assert happened.msg["user"] == "ada"
        assert happened.msg["odd"] == "<NoPickle>"
        renderer = structlog.processors.KeyValueRenderer(key_order=["event", "user"])
        text = formatter(processors=[formatter.remove_processors_meta, renderer]).format(happened)
        assert text.startswith("event='happened' user='ada'"), text
        assert "raise KeyError" in failed.msg["exception"]
    finally:
        structlog.reset_defaults()


EXIT_ORDER = """
{first}
import multiprocessing, sys
import records_workers
records_workers.a_parent({path!r}, {method!r}, "2000")
"""


@pytest.mark.parametrize("first", ["import multiprocessing.util, logging", "import logging"])
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_exit_waits_for_workers_nobody_joined(method, first, tmp_path):
    """Whichever of multiprocessing and logging was imported first, all is written at exit."""
    path = str(tmp_path / "log")
    code = EXIT_ORDER.format(first=first, path=path, method=method)
    script = tmp_path / "script.py"
    script.write_text(
        f"if __name__ == '__main__':\n    {code.strip().replace(chr(10), chr(10) + '    ')}\n"
    )
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, str(script)],
        env=environ,
        timeout=DEADLINE,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    lines = re.findall(r"w=(\d) n=(\d+)", (tmp_path / "log").read_text())
    for worker in "01":
        assert [int(n) for w, n in lines if w == worker] == list(range(2000))


def test_a_forked_process_gets_a_hub_of_its_own():
    """In a worker shared() is not the parent's, and either stops without the other."""
    with program("a_nested_parent()") as process:
        out, _ = process.communicate(timeout=DEADLINE)
    assert out.split() == ["0", "True"]


@pytest.mark.skipif(sys.version_info < (3, 14), reason="InterpreterPoolExecutor")
def test_subinterpreters_are_workers_too():
    """They have a logging of their own, and the hub sees them end."""
    with program("interpreters()") as process:
        out, _ = process.communicate(timeout=DEADLINE)
    assert sorted(out.split()) == ["True", "n=0", "n=1", "n=2", "n=3"]


def test_shared_gives_one_hub_and_a_new_one_after_stop():
    """It is started when asked for, reused, and restarted once stopped."""
    first = hub_module.shared()
    try:
        assert hub_module.shared() is first
        assert first.stop(5)
        second = hub_module.shared()
        assert second is not first
    finally:
        hub_module.shared().stop(5)


def test_nothing_is_left_behind(crew):
    """After stop: no thread, no descriptor, no directory."""
    crew.run("fork", os.getpid)  # whatever multiprocessing itself opens once
    crew.processes.pop().close()
    before = (descriptors(), threads(), folders(os.getpid()))
    with keeping() as (hub, _):
        for worker in range(5):
            crew.start("fork", workers.numbered, hub.address(), worker, 10)
        crew.join()
        assert hub.stop(DEADLINE)
    while crew.processes:
        crew.processes.pop().close()
    assert (descriptors(), threads(), folders(os.getpid())) == before


def test_forking_finds_no_thread_of_the_hub(kept):
    """It is stopped for that moment, so no lock is inherited held and Python 3.12 doesn't warn."""
    if sys.version_info[:2] == (3, 13):
        pytest.skip("3.13 counts the threads after its fork hooks have run")
    end = time.monotonic() + 10
    while threading.active_count() > 2 and time.monotonic() < end:  # of other tests
        time.sleep(0.01)
    before = threads()
    assert "workerstate-records" in before
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
    assert threads() == before
    assert threading.active_count() == 2 or not caught
    assert not [w for w in caught if threading.active_count() == 2]


def test_forks_while_workers_log_are_not_seen(crew, kept, tmp_path):
    """A hundred forks in the middle of the stream: nothing lost, nothing twice in the file."""
    hub, keeper = kept
    handler = logging.FileHandler(tmp_path / "log")
    logging.getLogger().addHandler(handler)
    try:
        for worker in range(3):
            crew.start("fork", workers.numbered, hub.address(), worker, 10_000)
        for _ in range(100):
            pid = os.fork()
            if pid == 0:
                handler.flush()
                os._exit(0)
            os.waitpid(pid, 0)
        assert crew.join() == [0, 0, 0]
        assert hub.drain(DEADLINE)
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()
    assert list(keeper.numbers().values()) == [list(range(10_000))] * 3
    assert len((tmp_path / "log").read_text().splitlines()) == 30_000


def test_a_worker_imports_little(kept):
    """Nothing of a third party, and of the standard library what a logging program has anyway."""
    hub, _ = kept
    code = (
        "import logging, socket, sys; before = set(sys.modules)\n"
        "from workerstate.records import sender\n"
        "from workerstate.records.rendezvous import Address\n"
        f"assert sender.install(Address.from_text({hub.address().to_text()!r}))\n"
        "logging.warning('here')\n"
        "print(*(name for name in set(sys.modules) - before if 'workerstate' not in name))"
    )
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environ,
        timeout=DEADLINE,
        capture_output=True,
        text=True,
        check=True,
    )
    allowed = {"__future__", "_struct", "array", "fcntl", "select", "struct"}
    assert set(done.stdout.split()) <= allowed
    assert hub.drain(DEADLINE)
    assert hub.received == 1
