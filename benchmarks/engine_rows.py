"""The rows of the table of ``engine.py``: who is compared in each, and what is aimed at.

``peers`` gives for each peer, and for each figure of its, how many times as long as ours it must
take at least. ``limits`` are of ours alone. A standard library that hangs with
``ProcessPoolExecutor(max_tasks_per_child=1)`` (3.11.7, 3.12.1, 3.13.0) is measured by its ``Pool``.
"""

CLEAN, PRELOADED = "workerstate", "futures forkserver"


def _ratio(at_least):
    return {"seconds": at_least}


def _row(name, ours, peers, run=None, **more):
    targets = {
        peer: each if isinstance(each, dict) else _ratio(each) for peer, each in peers.items()
    }
    return {"name": name, "run": run or name, "ours": ours, "peers": targets, **more}


ROWS = [
    _row(
        "clean task, empty",
        CLEAN,
        {
            "futures forkserver": 8,
            "Pool forkserver": 8,
            "Pool spawn": 20,
            "loky": 55,
            "bare fork, same memory": 1 / 1.5,
        },
    ),
    _row(
        "clean task, heavy",
        CLEAN,
        {
            "futures forkserver": 3.5,
            "Pool forkserver": 3.5,
            "Pool spawn": 150,
            "loky": 150,
            "bare fork, heap not prepared": 1,
            "bare fork, same memory": 0,
        },
    ),
    *[
        _row(
            f"latency p90, clean, {weight}",
            "workerstate, clean",
            {
                "futures forkserver, clean": 4,
                "Pool forkserver, clean": 4,
                "workerstate, reused": 1 / 2.5,
            },
        )
        for weight in ("empty", "heavy")
    ],
    _row("submit, reused", "workerstate", {"Pool fork": 2, "futures fork": 5, "loky": 8}),
    _row("latency p50, reused", "workerstate", {"Pool fork": 1 / 0.8, "futures fork": 2}),
    _row("map, own chunks", "workerstate", {"Pool fork": 0.8, "futures fork": 100, "joblib": 10}),
    _row(
        "64 arrays of 1 MB",
        "workerstate",
        {"joblib": 2.5, "futures fork": 2.5, "loky": 2.5, "Pool fork": 2.5},
    ),
    _row(
        "16 arrays of 32 MB",
        "workerstate",
        {"joblib": 5, "futures fork": 5, "loky": 5, "Pool fork": 5},
    ),
    _row(
        "first results, heavy",
        "workerstate",
        {
            "futures fork": {"seconds": 2, "cpu": 4},
            "futures spawn": {"seconds": 2, "cpu": 4},
            "loky": {"seconds": 2, "cpu": 4},
            "joblib": {"seconds": 2, "cpu": 4},
            "futures forkserver": {"seconds": 1, "cpu": 0},
        },
    ),
    _row("4 fresh workers, heavy", "workerstate call", {"futures spawn": 50}),
    _row("joblib call, one task", "workerstate", {"loky": 20}),
    *[
        _row(
            f"memory, W={count}", f"W={count}", {}, "memory, 200 MB shared", limits={"copies": 1.2}
        )
        for count in (1, 2, 4)
    ],
]
