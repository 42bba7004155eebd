"""A script that has put things of its own into logging; prints what the parent's handler gets."""

from __future__ import annotations

import json
import logging
import sys

from workerstate import Executor, WorkerSpec

TRACE = 5
seen = []


class Keep(logging.Handler):
    """Keeps what it is given."""

    def emit(self, record):
        """Keep one record."""
        run, tenant = getattr(record, "run", None), getattr(record, "tenant", None)
        seen.append([record.levelname, record.getMessage(), run, tenant])


class Loud(logging.Logger):
    """Shouts."""

    def shout(self, message):
        """Log in capitals."""
        self.warning(message.upper())


class OnlyLong:
    """A filter that is data."""

    def __init__(self, least):
        self.least = least

    def filter(self, record):
        """Tell whether a record is long enough."""
        return len(record.getMessage()) >= self.least


def named(self, message, *args):
    """Log at a level of our own."""
    if self.isEnabledFor(TRACE):
        self._log(TRACE, message, args)


def install(run):
    """Put it all in place, as a program's set-up does."""
    plain = logging.getLogRecordFactory()

    def factory(*args, **kwargs):
        record = plain(*args, **kwargs)
        record.run = run
        return record

    def nameless(self, message, *args):
        if self.isEnabledFor(TRACE):
            self._log(TRACE, message, args)

    def trace(message):
        logging.getLogger().trace(message)

    logging.addLevelName(TRACE, "TRACE")
    logging.TRACE = TRACE
    logging.Logger.trace = nameless
    logging.Logger.named = named
    logging.trace = trace
    logging.setLogRecordFactory(factory)
    logging.setLoggerClass(Loud)


def set_up():
    """Do so, with filters that can be told only here."""
    install("r7")
    tenant = "acme"

    def add_tenant(record):
        record.tenant = tenant
        return True

    logging.getLogger("app").addFilter(add_tenant)
    logging.getLogger("app.long").addFilter(OnlyLong(5))
    logging.root.addHandler(Keep())
    logging.root.setLevel(logging.TRACE)


def work(_):
    """Log by all of them."""
    log = logging.getLogger("app")
    log.trace("nameless")
    log.named("named")
    logging.trace("module")
    logging.log(logging.TRACE, "constant")
    log.shout("class")
    logging.getLogger("app.long").warning("no")
    logging.getLogger("app.long").warning("long enough")


def gone(_):
    """Tell what is there still."""
    return [hasattr(logging.Logger, "trace"), hasattr(logging, "trace")]


def main(method):
    """Run a task, and one when it was all taken away."""
    set_up()
    with Executor(1, spec=WorkerSpec(carry=["logging"]), start_method=method) as pool:
        pool.submit(work, 0).result(60)
        del logging.Logger.trace, logging.trace
        left = pool.submit(gone, 0).result(60)
    print(json.dumps([seen, left]))


if __name__ == "__main__":
    main(sys.argv[1])
