"""A program as many are: logging is set up in main, and each job "gets its own" handler."""

import logging

from joblib import Parallel, delayed

log = logging.getLogger("thumbnails")


def shrink(name):
    log.addHandler(logging.StreamHandler())
    log.warning("shrunk %s", name)


if __name__ == "__main__":
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO)
    names = ["a.png", "b.png", "c.png", "d.png"]
    for n_jobs in (2, 2, 3):
        Parallel(n_jobs=n_jobs)(delayed(shrink)(name) for name in names)
