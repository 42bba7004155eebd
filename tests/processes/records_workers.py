"""What the workers of the records tests run; light, since spawn and loky import it."""

from __future__ import annotations

import contextlib
import contextvars
import logging
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import threading
import time

from workerstate.records import sender, stdio
from workerstate.records.rendezvous import Address

LOG = logging.getLogger("app.worker")
DEADLINE = 60.0


class NoPickle:
    def __reduce__(self):
        raise TypeError("never")

    def __repr__(self):
        return "<NoPickle>"


REQUEST = contextvars.ContextVar("request", default="-")
TAGS: contextvars.ContextVar = contextvars.ContextVar("tags")
CONNECTION = contextvars.ContextVar("connection", default=None)
OTHER = contextvars.ContextVar("other", default="-")


def in_a_context(n: int) -> None:
    """Log with what the parent has set, what a task has changed, and what can't be sent."""
    OTHER.set("not carried")
    LOG.info("n=%d", n)
    REQUEST.set(f"{REQUEST.get()}, changed")
    TAGS.get().append(n)
    CONNECTION.set(NoPickle())
    LOG.info("n=%d", n, extra={"more": 1})
    thread = threading.Thread(target=LOG.info, args=("in no context",))
    thread.start()
    thread.join()


def begin(address: Address, level: int = logging.INFO, **options) -> None:
    """What the worker's start does: levels first, then the handler."""
    logging.getLogger().setLevel(level)
    if not sender.install(address, **options):
        raise SystemExit("the hub was not there")


def leaving_a_child(address: Address, told) -> None:
    """Fork a child that logs nothing and stays, and die."""
    begin(address)
    LOG.info("before the fork")
    if os.fork() == 0:
        told.wait(DEADLINE)
        os._exit(0)
    os.kill(os.getpid(), signal.SIGKILL)


def end(how: str) -> None:
    if how == "sigkill":
        os.kill(os.getpid(), signal.SIGKILL)
        signal.pause()
    elif how == "segfault":
        import ctypes
        import faulthandler  # not for subinterpreters, which import this file, too

        faulthandler.disable()  # pytest's, in forked workers
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        ctypes.string_at(0)
    elif how == "os._exit":
        os._exit(0)


def numbered(
    address: Address, worker: int, count: int, how: str = "return", size: int = 0, **options
) -> None:
    """Log 0..count-1, and end at once after the last."""
    begin(address, **options)
    for n in range(count):
        LOG.info("w=%d n=%d %s", worker, n, "y" * size)
    end(how)


def one_of_each(address: Address) -> None:
    begin(address)
    LOG.debug("below the level")
    LOG.info("plain %s", "text", extra={"number": 3, "odd": NoPickle(), "good": [1, 2]})
    try:
        raise KeyError("missing")
    except KeyError:
        LOG.exception("failed")
    LOG.warning("where", stack_info=True)
    LOG.info("x" * 200_000)
    logging.getLogger().error("by the root logger")
    report = {"pid": os.getpid(), "process": multiprocessing.current_process().name}
    LOG.info("me", extra={"report": report})


def hidden_debug(address: Address, count: int) -> None:
    begin(address)
    for _ in range(count):
        LOG.debug("not sent")
    LOG.info("sent")


def inherited(address: Address) -> None:
    """Loggers of every kind that a forked worker finds with handlers on them."""
    begin(address)
    logging.getLogger("closed.part").info("closed")
    logging.getLogger("open.part").info("open")
    logging.getLogger().info("root")


def nested(address: Address, methods: list[str]) -> None:
    begin(address)
    LOG.info("outer before")
    for method in methods:
        child = context(method).Process(target=inner, args=(address, method))
        child.start()
        child.join(DEADLINE)
    pid = os.fork()
    if pid == 0:
        LOG.info("inner os.fork", extra={"own": os.getpid()})
        os._exit(0)
    os.waitpid(pid, 0)
    LOG.info("outer after")


def inner(address: Address, method: str) -> None:
    if method != "fork":
        begin(address)
    LOG.info("inner %s", method, extra={"own": os.getpid()})


def printing(address: Address, how: str) -> None:
    if not stdio.install(address):
        raise SystemExit("the hub was not there")
    print("from print")
    print("from print to stderr", file=sys.stderr)
    os.write(1, b"from native code\n")
    subprocess.run(["echo", "from a child"], check=True)
    if how == "return":
        print("no newline", end="")
        stdio.uninstall()
    end(how)


def stderr_to(path: str) -> None:
    fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(fd, 2)
    os.close(fd)


def until_told(address: Address, path: str, begun, told, size: int = 0) -> None:
    """Log until told; the parent may stop listening meanwhile. stderr goes to a file."""
    stderr_to(path)
    begin(address)
    n = 0
    while not told.is_set():
        LOG.info("n=%d %s", n, "y" * size)
        n += 1
        if n == 1:
            begun.release()
    LOG.info("n=%d", n)


def to_a_hub_that_was_stopped(address: Address, path: str) -> None:
    stderr_to(path)
    if sender.install(address):
        raise SystemExit("there should be no hub")
    LOG.warning("to stderr")


def without_descriptors(address: Address, path: str) -> None:
    """A forked worker can open no pipe at first, and later can."""
    stderr_to(path)
    begin(address)
    pid = os.fork()
    if pid == 0:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        LOG.info("no descriptors")
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        LOG.info("descriptors again")
        os._exit(0)
    raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


class ThrownError(Exception):
    pass


def exceptions_in_emit(address: Address, wanted: int) -> None:
    """Log while a timer's signal handler throws exceptions, all of them into emit."""
    begin(address)
    logging.raiseExceptions = False  # one thrown while a message is rendered is reported, as usual
    armed, thrown, caught = False, 0, 0

    def throw(*_):
        nonlocal armed, thrown
        if armed:
            armed = False
            thrown += 1
            raise ThrownError

    signal.signal(signal.SIGALRM, throw)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    n = 0
    while thrown < wanted:
        try:
            armed = True
            LOG.info("n=%d %s", n, "y" * (9000 if n % 10 == 0 else 10))
            armed = False
        except ThrownError:
            caught += 1
        n += 1
    signal.setitimer(signal.ITIMER_REAL, 0)
    LOG.info("thrown=%d", thrown, extra={"caught": caught})


def last_words_in_a_signal_handler(address: Address) -> None:
    """A SIGTERM handler that logs and ends, as servers have, caught inside emit of another."""
    begin(address)

    def stop(*_):
        LOG.info("last words")
        os._exit(0)

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    n = 0
    while True:
        LOG.info("n=%d %s", n, "y" * 20_000)
        n += 1


def threads_and_forks(address: Address, threads: int, forks: int) -> None:
    """Fork again and again while threads log; each child logs once."""
    begin(address)
    stop = threading.Event()

    def log(number: int) -> None:
        n = 0
        while not stop.is_set():
            LOG.info("thread=%d n=%d", number, n)
            n += 1

    running = [threading.Thread(target=log, args=(i,)) for i in range(threads)]
    for each in running:
        each.start()
    pids = []
    for n in range(forks):
        pid = os.fork()
        if pid == 0:
            LOG.info("child=%d", n, extra={"own": os.getpid()})
            os._exit(0)
        pids.append(pid)
    for pid in pids:
        os.waitpid(pid, 0)
    stop.set()
    for each in running:
        each.join(DEADLINE)


def say(text: str) -> None:
    """One call site for several records, so that all but the first rely on its definition."""
    LOG.info(text)


def descriptors_closed(address: Address, path: str) -> None:
    """A library closes all descriptors and opens a file: no frame may get into it."""
    begin(address)
    say("before")
    os.closerange(3, 1024)
    with contextlib.ExitStack() as stack:
        for n in range(100):  # one of them would have the number of a pipe that had a low one
            stack.enter_context(open(f"{path}.{n}", "w"))
        say("after")
        say("after that")


def with_loguru(address: Address) -> None:
    from loguru import logger

    from workerstate.records import loguru_bridge

    begin(address)
    assert loguru_bridge.install()
    logger.bind(user="ada", odd=NoPickle()).info("braces {{}} {}", 1)
    logging.getLogger("app").info("stdlib between")
    logger.level("NOTICE25", no=25)
    logger.log("NOTICE25", "own level")
    try:
        raise KeyError("missing")
    except KeyError:
        logger.exception("failed")
    end("sigkill")


def with_structlog(address: Address, config: dict) -> None:
    import structlog

    from workerstate.facets import get

    begin(address)
    get("structlog").apply(config)
    log = structlog.get_logger("app.events")
    log.info("happened", user="ada", odd=NoPickle())
    try:
        raise KeyError("missing")
    except KeyError:
        log.exception("failed")


def context(method: str):
    if method == "loky":
        from loky.backend import get_context

        return get_context("loky")
    return multiprocessing.get_context(method)


# Programs: run as `python -c "import records_workers; records_workers.NAME(...)"`.


def a_parent(path: str, method: str, count: str, then: str = "") -> None:
    """Start two workers, print their pids, and do ``then``."""
    from workerstate.records import hub

    logging.basicConfig(
        filename=path, filemode="w", level="INFO", format="%(process)d %(message)s"
    )  # with filemode "a" a FileHandler that logging has closed opens again
    address = hub.shared().address()
    jobs = [
        context(method).Process(target=numbered, args=(address, i, int(count))) for i in range(2)
    ]
    for job in jobs:
        job.start()
    print(*[job.pid for job in jobs], flush=True)
    if then == "join":
        for job in jobs:
            job.join(DEADLINE)
        print("joined", flush=True)
    elif then == "wait":
        time.sleep(DEADLINE)


def in_an_interpreter(address: Address, n: int) -> int | None:
    begin(address)
    LOG.info("n=%d", n)
    return os.getpid()


def interpreters() -> None:
    """Log from subinterpreters, and print what arrived and whether they were seen to end."""
    from concurrent.futures import InterpreterPoolExecutor

    from workerstate.records import hub

    logging.basicConfig(level="INFO", format="%(message)s", stream=sys.stdout)
    shared = hub.shared()
    with InterpreterPoolExecutor(2) as pool:
        for future in [pool.submit(in_an_interpreter, shared.address(), n) for n in range(4)]:
            assert future.result(DEADLINE) == os.getpid()
    print(shared.stop(DEADLINE / 2), flush=True)


def a_nested_parent() -> None:
    """A worker that is forked and logs to its own hub, too."""
    from workerstate.records import hub

    first = hub.shared()
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            ok = hub.shared() is not first and hub.shared().address() != first.address()
            ok = ok and hub.shared().stop(5)
            os._exit(0 if ok else 1)
        os._exit(2)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), first.stop(5))
