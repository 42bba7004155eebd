"""The program under test with multiprocessing; its argument is the start method.

The parent gives its root logger one handler, then two workers report theirs.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import sys
import tempfile

import foo  # type: ignore[import-not-found]

WORKERS = 2


def main(start_method: str) -> None:
    """Run one pool."""
    logging.basicConfig()
    foo.say("parent")
    context = multiprocessing.get_context(start_method)
    with tempfile.TemporaryDirectory() as folder:
        place = os.path.join(folder, "all")
        with context.Pool(WORKERS) as pool:
            pool.starmap(foo.report, [(place, WORKERS)] * WORKERS, chunksize=1)
            pool.close()
            pool.join()


if __name__ == "__main__":
    main(sys.argv[1])
