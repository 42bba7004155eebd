"""A script whose tasks log with loguru; prints the parent's lines, and whose logger they had."""

from __future__ import annotations

import json
import sys
import tempfile

from loguru import logger

from workerstate import Executor, WorkerSpec

bound = logger.bind(shard=3)


class Job:
    """Holds a logger."""

    def __init__(self):
        self.log = logger.bind(job="j1")


def work(job):
    """Log by the script's logger, by a bound one, and by one that was sent."""
    logger.info("global")
    bound.info("bound")
    job.log.log("AUDIT", "sent")
    logger.debug("too low")
    return job.log._core is logger._core


def main(method, carry):
    """Run two tasks that log, in a context of the parent's."""
    with tempfile.NamedTemporaryFile("r", suffix=".log") as file:
        logger.remove()
        logger.level("AUDIT", no=33)
        sink = logger.add(file.name, level="INFO", format="{level} {message} {extra}")
        spec = WorkerSpec(carry=carry.split(","))
        with logger.contextualize(run="r7"), Executor(1, spec=spec, start_method=method) as pool:
            same = [pool.submit(work, Job()).result(60) for _ in range(2)]
        logger.remove(sink)
        print(json.dumps([same, file.read().splitlines()]))


if __name__ == "__main__":
    main(*sys.argv[1:])
