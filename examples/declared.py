"""The same program under every start method, with one declaration beside it."""

import logging

from workerstate import Executor, WorkerSpec, stdlib_rng

log = logging.getLogger("draws")
OPTIONS = {"sides": 6}


def draw(number):
    value = stdlib_rng().randint(1, OPTIONS["sides"])
    log.info("task %d drew %d", number, value)
    return value


if __name__ == "__main__":
    logging.basicConfig(format="%(processName)s: %(message)s", level=logging.INFO)
    OPTIONS["sides"] = 20
    spec = WorkerSpec(carry=["logging", "__main__:OPTIONS"], seed=42)
    for start_method in ("fork", "spawn", "forkserver", "loky", "thread", "inline"):
        with Executor(2, spec=spec.replace(), start_method=start_method) as pool:
            print(f"{start_method:10s}", list(pool.map(draw, range(6))), flush=True)
