"""The initializer configures logging; forked workers have the parent's handler already."""

import logging
import multiprocessing as mp
import os
import tempfile
from pathlib import Path

START = os.environ.get("START", "fork")

LOG = os.environ.setdefault("CASE_LOG", os.path.join(tempfile.mkdtemp(), "app.log"))


def setup():
    h = logging.FileHandler(LOG)
    logging.getLogger().addHandler(h)
    logging.getLogger().setLevel(logging.INFO)


def work(i):
    logging.info("work item %d", i)


if __name__ == "__main__":
    setup()
    with mp.get_context(START).Pool(2, initializer=setup) as pool:
        pool.map(work, range(6))
    n = Path(LOG).read_text().count("work item")
    print(f"RESULT: {'OK' if n == 6 else 'BAD'} {n} lines for 6 items")
