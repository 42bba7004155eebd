"""Four workers write to one rotating file."""

import glob
import logging
import logging.handlers
import multiprocessing as mp
import os
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

START = os.environ.get("START", "fork")

LOG = os.environ.setdefault("CASE_LOG", os.path.join(tempfile.mkdtemp(), "app.log"))
log = logging.getLogger("crawler")


def crawl(i):
    for page in range(50):
        log.info("site %d page %d: a line of some length to fill the file", i, page)
    return i


def make_pool(n):
    if START == "loky":
        from loky import get_reusable_executor

        return get_reusable_executor(max_workers=n)
    return ProcessPoolExecutor(n, mp_context=mp.get_context(START))


def main():
    handler = logging.handlers.RotatingFileHandler(LOG, maxBytes=4000, backupCount=1000)
    handler.setFormatter(logging.Formatter("%(asctime)s %(processName)s %(levelname)s %(message)s"))
    logging.getLogger().addHandler(handler)
    logging.getLogger().setLevel(logging.INFO)
    with make_pool(4) as pool:
        list(pool.map(crawl, range(20)))
    n = sum(Path(f).read_text().count(" page ") for f in glob.glob(LOG + "*"))
    print(f"RESULT: {'OK' if n == 1000 else 'BAD'} {n}/1000 lines")


if __name__ == "__main__":
    main()
