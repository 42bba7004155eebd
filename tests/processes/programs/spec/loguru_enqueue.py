"""A script that hands loguru's logger to a process of its own; prints what the sink gets."""

from __future__ import annotations

import json
import multiprocessing
import tempfile

from loguru import logger

from workerstate import WorkerSpec


def log(given):
    """Log by what was given."""
    given.info("from a process")
    given.complete()


def main():
    """Start the process as loguru's manual says."""
    context = multiprocessing.get_context("spawn")
    with tempfile.NamedTemporaryFile("r", suffix=".log") as file:
        logger.remove()
        logger.add(file.name, format="{message}", enqueue=True, context=context)
        WorkerSpec(carry=["loguru"])
        process = context.Process(target=log, args=(logger,))
        process.start()
        process.join()
        logger.remove()
        print(json.dumps(file.read().splitlines()))


if __name__ == "__main__":
    main()
