"""Two workers of billiard, pebble or mpire; prints who did what."""

from __future__ import annotations

import json
import sys
import tempfile
from typing import Any

from meeting import meet, refuse, square


def billiard(folder: str) -> list[list[Any]]:
    """Use billiard's Pool."""
    from billiard.pool import Pool

    with Pool(2) as pool:
        met = pool.starmap(meet, [(folder, 2, place) for place in range(2)], chunksize=1)
        squared = pool.map(square, range(4), chunksize=1)
        try:
            pool.apply(refuse, (1,))
        except ValueError:
            pass
        pool.close()
        pool.join()
    return [["meeting:meet", pid, 1] for pid in met] + [["meeting:square", p, 2] for p in squared]


def pebble(folder: str) -> list[list[Any]]:
    """Use pebble's ProcessPool."""
    from pebble import ProcessPool

    with ProcessPool(max_workers=2) as pool:
        futures = [pool.schedule(meet, args=(folder, 2)) for _ in range(2)]
        met = [future.result() for future in futures]
        squared = list(pool.map(square, range(4)).result())
        assert isinstance(pool.schedule(refuse, args=(1,)).exception(), ValueError)
    return [["meeting:meet", pid, 1] for pid in met] + [["meeting:square", p, 2] for p in squared]


def mpire(folder: str) -> list[list[Any]]:
    """Use mpire's WorkerPool."""
    from mpire import WorkerPool

    with WorkerPool(n_jobs=2) as pool:
        met = pool.map(meet, [(folder, 2, place) for place in range(2)], chunk_size=1)
        squared = pool.map(square, range(4), chunk_size=1)
        try:
            pool.apply(refuse, (1,))
        except ValueError:
            pass
    return [["meeting:meet", pid, 1] for pid in met] + [["meeting:square", p, 2] for p in squared]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as shared:
        done = {"billiard": billiard, "pebble": pebble, "mpire": mpire}[sys.argv[1]](shared)
    print(json.dumps({"tasks": done, "ends": {}}))
