"""A script with a class of its own that holds settings; prints what tasks find in it."""

from __future__ import annotations

import json
import sys

from workerstate import Executor, WorkerSpec


class Config:
    """Holds settings."""

    rate = 1
    mode = "slow"


def look(_):
    """Give what the class holds."""
    return [Config.rate, Config.mode]


def main(method):
    """Run tasks before and after a change."""
    Config.rate = 2
    spec = WorkerSpec(carry=["__main__:Config"], set={"__main__:Config.mode": "fast"})
    with Executor(1, spec=spec, start_method=method) as pool:
        found = [pool.submit(look, 0).result(60) for _ in range(2)]
        Config.rate = 3
        found += [pool.submit(look, 0).result(60) for _ in range(2)]
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
