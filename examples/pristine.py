"""A task that leaves something behind, one that crashes, and what the others see of it."""

import ctypes
import logging

from workerstate import Executor, WorkerDiedError, WorkerSpec

log = logging.getLogger("thumbnails")


def shrink(name):
    """Add a handler "so that there is one", as in examples/thumbnails.py; count them."""
    log.addHandler(logging.NullHandler())
    return len(log.handlers)


def decode(name):
    """End as faulty native code does."""
    log.warning("decoding %s", name)
    ctypes.string_at(0)


if __name__ == "__main__":
    logging.basicConfig(format="%(message)s")
    for clean in ("never", "task"):
        with Executor(1, spec=WorkerSpec(carry=["logging"]), clean=clean) as executor:
            handlers = list(executor.map(shrink, ["a.png", "b.png", "c.png"]))
            crashed = executor.submit(decode, "broken.png")
            handlers.append(executor.submit(shrink, "d.png").result())
            print(f"clean={clean!r}: handlers in each task: {handlers}")
            try:
                crashed.result()
            except WorkerDiedError as error:
                print(f"  {error}")
