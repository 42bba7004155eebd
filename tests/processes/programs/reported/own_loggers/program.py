"""dictConfig with a queue listener, filters with state, JSON formatter, in a class based app."""

import json
import logging
import logging.config
import multiprocessing as mp
import os
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

START = os.environ.get("START", "fork")

LOG = os.environ.setdefault("CASE_LOG", os.path.join(tempfile.mkdtemp(), "app.jsonl"))


class JsonFormatter(logging.Formatter):
    def format(self, record):
        return json.dumps(
            {
                "m": record.getMessage(),
                "user": getattr(record, "user", None),
                "err": record.exc_info and str(record.exc_info[1]),
            }
        )


class AddUser(logging.Filter):
    def __init__(self, user):
        self.user = user

    def filter(self, record):
        record.user = self.user
        return "secret" not in record.getMessage()


CONFIG = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": JsonFormatter}},
    "filters": {"user": {"()": AddUser, "user": "ann"}},
    "handlers": {
        "f": {
            "class": "logging.FileHandler",
            "filename": LOG,
            "formatter": "json",
            "filters": ["user"],
        }
    },
    "loggers": {"app": {"level": "DEBUG", "handlers": ["f"], "propagate": False}},
}
log = logging.getLogger("app.jobs")


def job(i):
    log.debug("job %d", i)
    log.info("secret %d", i)
    try:
        1 / (i - 1)
    except ZeroDivisionError:
        log.exception("job %d failed", i)


def make_pool(n):
    if START == "loky":
        from loky import get_reusable_executor

        return get_reusable_executor(max_workers=n)
    return ProcessPoolExecutor(n, mp_context=mp.get_context(START))


if __name__ == "__main__":
    logging.config.dictConfig(CONFIG)
    with make_pool(2) as pool:
        list(pool.map(job, range(3)))
    rows = [json.loads(line) for line in Path(LOG).read_text().splitlines()]
    ok = (
        len(rows) == 4
        and all(r["user"] == "ann" for r in rows)
        and sum(bool(r["err"]) for r in rows) == 1
    )
    print(f"RESULT: {'OK' if ok else 'BAD'} {len(rows)} rows of 4")
