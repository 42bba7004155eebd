"""joblib calls with 2, 2, 3 and 2 workers, then loky's own pool; prints who served each call."""

from __future__ import annotations

import json
import tempfile

from joblib import Parallel, delayed
from meeting import meet


def call(number: int) -> list[int]:
    """Make one call that every worker serves, and give their pids."""
    with tempfile.TemporaryDirectory() as folder:
        tasks = (delayed(meet)(folder, number, place) for place in range(number))
        return sorted(Parallel(n_jobs=number, batch_size=1, pre_dispatch="all")(tasks))


if __name__ == "__main__":
    print(json.dumps([call(number) for number in (2, 2, 3, 2)]))
