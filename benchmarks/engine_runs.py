"""One run of one peer for ``engine.py``: prints its figures as JSON.

    python benchmarks/engine_runs.py ROW PEER

All figures are seconds (or bytes) per unit of work: less is better.
"""

# What is imported here, spawned workers of the peers would import too.
import json
import sys

from engine_tasks import HEAVY, fork_loop, heavy, nothing, plus, total, who

COUNTS = {"workerstate": 400, "spawn": 8, "loky": 6, "forkserver": 60, "heavy": 4}


def single(peer, preload):
    """Give the seconds per task where each has a process of its own."""
    from time import perf_counter

    if peer.startswith("bare fork"):
        return bare_fork(peer, preload)
    if peer == "loky":
        return made_anew(preload)
    from engine_peers import make

    ours, preloads = peer == "workerstate", not peer.endswith("spawn")
    count = 400 if ours else 40 if preloads else 4 if preload else 16
    task = nothing if preloads or not preload else heavy
    pool = make(peer, single=True, preload=(*preload, "engine_tasks") if ours else preload)
    for each in [pool.submit(task, 0) for _ in range(4)]:
        pool.result(each)
    start = perf_counter()
    for each in [pool.submit(task, number) for number in range(count)]:
        pool.result(each)
    took = perf_counter() - start
    pool.close()
    return {"seconds": took / count}


def made_anew(preload):
    """Give the seconds per task of a pool that is made for two tasks, and ended."""
    from time import perf_counter

    from engine_peers import make

    count, task = 2 if preload else 4, heavy if preload else nothing
    start = perf_counter()
    for _ in range(count):
        pool = make("loky")
        for each in [pool.submit(task, 0) for _ in range(2)]:
            pool.result(each)
        pool.close()
    return {"seconds": (perf_counter() - start) / count / 2}


def bare_fork(peer, preload):
    """Give the seconds per turn of two loops of fork, _exit and waitpid, side by side.

    "same memory": in workers forked from a template; else in processes that have just imported.
    """
    import subprocess
    from time import perf_counter

    count = 200
    if peer == "bare fork, same memory":
        from engine_peers import make

        pool = make("workerstate", preload=(*preload, "engine_tasks"))
        for each in [pool.submit(fork_loop, 20) for _ in range(2)]:
            pool.result(each)
        start = perf_counter()
        for each in [pool.submit(fork_loop, count) for _ in range(2)]:
            pool.result(each)
        took = perf_counter() - start
        pool.close()
        return {"seconds": took / count / 2}
    code = "import engine_tasks as t; t.load(); t.fork_loop(5); print(input(), flush=True); "
    code += f"t.fork_loop({count})"
    loops = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=sys.path[0],
        )
        for _ in range(2)
    ]
    for loop in loops:
        loop.stdin.write(b"ready\n")
        loop.stdin.flush()
        loop.stdout.readline()
    start = perf_counter()
    for loop in loops:
        loop.stdin.close()
        loop.wait()
    return {"seconds": (perf_counter() - start) / count / 2}


def idle_latency(peer, preload):
    """Give what one task takes after 30 ms without any, in nine of ten cases."""
    from time import perf_counter, sleep

    from engine_peers import make

    ours = peer.startswith("workerstate")
    kind, _, how = peer.partition(", ")
    pool = make(
        kind,
        single=how != "reused",
        preload=(*preload, "engine_tasks") if ours else preload,
    )
    times = []
    for number in range(70):
        sleep(0.03)
        start = perf_counter()
        pool.result(pool.submit(nothing, number))
        times.append(perf_counter() - start)
    pool.close()
    return {"seconds": sorted(times[10:])[54]}


def submits(peer):
    """Give the seconds per task of 20,000 that do nothing, submitted and gathered."""
    from time import perf_counter

    from engine_peers import make

    count = 20_000 if not peer.startswith("loky") else 10_000
    pool = make(peer)
    for each in [pool.submit(nothing, number) for number in range(500)]:
        pool.result(each)
    start = perf_counter()
    for each in [pool.submit(nothing, number) for number in range(count)]:
        pool.result(each)
    took = perf_counter() - start
    pool.close()
    return {"seconds": took / count}


def latency(peer):
    """Give the median of what one task takes, one after the other."""
    from time import perf_counter

    from engine_peers import make

    pool = make(peer)
    times = []
    for number in range(2500):
        start = perf_counter()
        pool.result(pool.submit(nothing, number))
        times.append(perf_counter() - start)
    pool.close()
    return {"seconds": sorted(times[500:])[1000]}


def maps(peer):
    """Give the seconds per item of a map with the pool's own chunking."""
    from time import perf_counter

    from engine_peers import make

    slow = peer.split()[0] in ("futures", "loky")  # they send each item by itself
    count = 4000 if slow else 100_000 if peer == "joblib" else 1_000_000
    pool = make(peer)
    list(pool.map(nothing, range(200)))
    start = perf_counter()
    found = sum(1 for _ in pool.map(nothing, range(count)))
    took = perf_counter() - start
    pool.close()
    assert found == count
    return {"seconds": took / count}


def arrays(peer, count, size):
    """Give the seconds per array that goes to a worker and comes back."""
    from time import perf_counter

    import numpy
    from engine_peers import make

    items = [numpy.full(size // 8, float(number)) for number in range(count)]
    pool = make(peer)
    times = []
    for _ in range(7):
        start = perf_counter()
        found = list(pool.map(plus, items))
        times.append(perf_counter() - start)
        assert all(array[-1] == number + 1.0 for number, array in enumerate(found))
        del found
    pool.close()
    # The first two are for imports and new pages.
    return {"seconds": sorted(times[2:])[2] / count}


def first_results(peer):
    """Give the time until four workers that need heavy modules have all answered."""
    import os
    from time import perf_counter

    from engine_peers import make

    start = perf_counter()
    pool = make(peer, 4, preload=HEAVY)
    if peer == "joblib":
        list(pool.map(who, [0.2] * 4))
    else:
        for each in [pool.submit(who, 0.2) for _ in range(4)]:
            pool.result(each)
    took = perf_counter() - start
    pool.close()
    if "forkserver" in peer:
        from multiprocessing import forkserver

        forkserver._forkserver._stop()
    used = os.times()
    return {"seconds": took, "cpu": used[0] + used[1] + used[2] + used[3]}


def fresh_workers(peer):
    """Give the time that four fresh workers with heavy modules take to answer."""
    from time import perf_counter

    from engine_peers import make

    if peer == "workerstate call":
        pool, times = make(peer, 4, preload=(*HEAVY, "engine_tasks")), []
        before = set()
        for _ in range(12):
            start = perf_counter()
            found = set(pool.map(who, [0.002] * 4, chunksize=1))
            times.append(perf_counter() - start)
            assert len(found) == 4
            assert not found & before
            before = found
        pool.close()
        return {"seconds": sorted(times)[6]}
    start = perf_counter()
    pool, found = make(peer, 4), set()
    while len(found) < 4:
        found.update(pool.result(each) for each in [pool.submit(who, 0.1) for _ in range(4)])
    took = perf_counter() - start
    pool.close()
    return {"seconds": took}


def one_call(peer):
    """Give what one call of joblib.Parallel takes that has one task."""
    from contextlib import nullcontext
    from time import perf_counter

    import joblib
    from engine_peers import make  # for its import path

    assert make
    block = nullcontext()
    if peer == "workerstate":
        from workerstate import WorkerSpec

        block = WorkerSpec().joblib(start_method="template", n_jobs=2)
    times = []
    with block, joblib.Parallel(n_jobs=2) as parallel:
        for number in range(60):
            start = perf_counter()
            parallel([joblib.delayed(nothing)(number)])
            times.append(perf_counter() - start)
    return {"seconds": sorted(times[20:])[20]}


def memory(peer):
    """Give the memory of all processes below this one, beside the 200 MB that they share."""
    import os

    import engine_peers
    import engine_tasks

    from workerstate import Executor, Resource, WorkerSpec

    assert engine_peers
    workers = int(peer.partition("W=")[2])
    shared = Resource(engine_tasks.big, shared=True)
    spec = WorkerSpec(resources={"big": shared}, preload=["engine_tasks"])
    with Executor(workers, spec=spec) as pool:
        futures = [pool.submit(total, number) for number in range(4 * workers)]
        assert [future.result() for future in futures] == [25e6 + n for n in range(4 * workers)]
        found = pss(os.getpid()) - own_pss(os.getpid())
    return {"copies": found / 200e6}


def pss(pid):
    """Give the memory of a process and all below it; what several share is divided by them."""
    import os

    found = own_pss(pid)
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children") as file:
            found += sum(pss(int(child)) for child in file.read().split())
    return found


def own_pss(pid):
    """Give the memory of one process."""
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return 1024 * sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))


RUNS = {
    "clean task, empty": lambda peer: single(peer, ()),
    "clean task, heavy": lambda peer: single(peer, HEAVY),
    "latency p90, clean, empty": lambda peer: idle_latency(peer, ()),
    "latency p90, clean, heavy": lambda peer: idle_latency(peer, HEAVY),
    "submit, reused": submits,
    "latency p50, reused": latency,
    "map, own chunks": maps,
    "64 arrays of 1 MB": lambda peer: arrays(peer, 64, 1 << 20),
    "16 arrays of 32 MB": lambda peer: arrays(peer, 16, 32 << 20),
    "first results, heavy": first_results,
    "4 fresh workers, heavy": fresh_workers,
    "joblib call, one task": one_call,
    "memory, 200 MB shared": memory,
}


if __name__ == "__main__":
    print(json.dumps(RUNS[sys.argv[1]](sys.argv[2])))
