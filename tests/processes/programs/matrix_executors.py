"""An executor of two workers, of concurrent.futures or of loky; prints who did what."""

from __future__ import annotations

import json
import multiprocessing
import sys
import tempfile
from concurrent.futures import Executor, ProcessPoolExecutor

from meeting import meet, refuse, square


def executor(method: str) -> Executor:
    """Make the executor that the argument asks for."""
    if method == "loky":
        import loky

        return loky.ProcessPoolExecutor(2)
    return ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method))


def main(method: str) -> None:
    """Submit, map, and let one task fail."""
    with tempfile.TemporaryDirectory() as folder, executor(method) as pool:
        futures = [pool.submit(meet, folder, 2) for _ in range(2)]
        tasks: list[list[object]] = [["meeting:meet", each.result(), 1] for each in futures]
        tasks += [["meeting:square", pid, 2] for pid in pool.map(square, range(4))]
        assert isinstance(pool.submit(refuse, 1).exception(), ValueError)
        workers = list(pool._processes.values())  # type: ignore[attr-defined]
    print(json.dumps({"tasks": tasks, "ends": {each.pid: each.exitcode for each in workers}}))


if __name__ == "__main__":
    main(sys.argv[1])
