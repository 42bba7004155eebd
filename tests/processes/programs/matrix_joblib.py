"""joblib with two workers, on the backend that is asked for; prints who did what."""

from __future__ import annotations

import json
import sys
import tempfile

from joblib import Parallel, delayed
from meeting import meet, refuse, square


def main(backend: str) -> None:
    """Make three calls, of which the last one fails."""
    pool = Parallel(n_jobs=2, backend=backend, batch_size=1)
    with tempfile.TemporaryDirectory() as folder, pool as parallel:
        met = parallel(delayed(meet)(folder, 2, place) for place in range(2))
        squared = parallel(delayed(square)(number) for number in range(4))
        tasks = [["meeting:meet", pid, 1] for pid in met]
        tasks += [["meeting:square", pid, 2] for pid in squared]
        try:
            parallel([delayed(refuse)(1)])
        except ValueError:
            pass
    print(json.dumps({"tasks": tasks, "ends": {}}))


if __name__ == "__main__":
    main(sys.argv[1])
