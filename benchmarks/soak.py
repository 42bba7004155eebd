"""A long run with crashes: nothing is lost, and nothing is left in the parent.

    python benchmarks/soak.py [--small] [--reuse N] [--clean N] [--workers N]

reuse    10^6 tasks in reused workers (clean="never")
clean    2 * 10^5 tasks, a process for each (clean="task")

One task in 1000 crashes: it kills itself with SIGKILL, calls os._exit, or raises, in turn. One in
100 takes and gives 200 kB, which go through shared memory. Each result is checked as it comes. What
the parent holds (descriptors, memory, processes, shared memory, threads) is looked at ten times:
after the first tenth, when pools and caches are warm, it must not grow any more.

--small runs a fiftieth of that. The exit code is 1 if something was lost or left.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import signal
import sys
import threading
import time
from collections import deque
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from concurrent.futures import Future

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

CRASH = 1000
BIG = 100
AHEAD = 500  # tasks that wait at most
GROWTH = {"fds": 4, "rss_mb": 16.0, "processes": 2, "shared_mb": 1.0, "threads": 0, "files": 4}


class CrashError(Exception):
    """What the tasks that raise do raise."""


def work(number: int, load: bytes) -> tuple[int, bytes]:
    """Give the number back, or crash."""
    if number % CRASH == CRASH // 2:
        kind = number // CRASH % 3
        if kind == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        if kind == 1:
            os._exit(7)
        raise CrashError(number)
    return number * 3 + 1, load


def expected(number: int) -> str:
    """Give what must become of a task: the name of its error, or nothing."""
    if number % CRASH != CRASH // 2:
        return ""
    return "CrashError" if number // CRASH % 3 == 2 else "WorkerDiedError"


def wrong(number: int, load: bytes, future: Future[tuple[int, bytes]]) -> str:
    """Say what is wrong with what became of a task; nothing if it is right."""
    error = future.exception(120)
    name = type(error).__name__ if error is not None else ""
    if name != expected(number):
        return f"task {number}: {error!r} instead of {expected(number) or 'a result'}"
    if error is None and future.result() != (number * 3 + 1, load):
        return f"task {number}: another result than its own"
    return ""


def below(pid: int) -> int:
    """Count the processes below that one."""
    count = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            children = Path(f"/proc/{pid}/task/{task}/children").read_text().split()
            count += sum(1 + below(int(child)) for child in children)
        except OSError:  # it has just ended
            pass
    return count


def shared_bytes() -> int:
    """Give the memory in the nameless files that the parent holds, and in /dev/shm."""
    total = sum(each.stat().st_blocks * 512 for each in Path("/dev/shm").iterdir())
    for name in os.listdir("/proc/self/fd"):
        try:
            if "memfd:" in os.readlink(f"/proc/self/fd/{name}"):
                total += os.stat(int(name)).st_blocks * 512
        except OSError:
            pass
    return total


def held(folder: str) -> dict[str, float]:
    """Give what this process holds now."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "fds": len(os.listdir("/proc/self/fd")),
        "rss_mb": pages * os.sysconf("SC_PAGESIZE") / 2**20,
        "processes": below(os.getpid()),
        "shared_mb": shared_bytes() / 2**20,
        "threads": threading.active_count(),
        "files": sum(len(files) for _, _, files in os.walk(folder)),
    }


def soak(name: str, clean: str, total: int, workers: int) -> bool:
    """Run one mode; tell whether all was well."""
    import soak as tasks  # by its name: what is in the main module would be sent by value

    from workerstate import Executor, WorkerSpec, start_reports

    folder = start_reports.folder()
    before = held(folder)
    looks: list[dict[str, float]] = []
    faults: list[str] = []
    waiting: deque[tuple[int, bytes, Future[tuple[int, bytes]]]] = deque()
    began = time.perf_counter()

    def take(least: int) -> None:
        while len(waiting) > least:
            fault = wrong(*waiting.popleft())
            if fault:
                faults.append(fault)

    spec = WorkerSpec(preload=["soak"])
    with Executor(workers, spec=spec, clean=clean) as pool:
        for number in range(total):
            load = os.urandom(8) * 25_000 if number % BIG == 0 else b""
            waiting.append((number, load, pool.submit(tasks.work, number, load)))
            take(AHEAD)
            if (number + 1) % (total // 10) == 0:
                take(0)
                time.sleep(1.5)  # memory that lies idle is given back after a second
                looks.append(held(folder))
                said = f"{name} {number + 1:>8}  wrong {len(faults)}  {shown(looks[-1])}"
                print(f"  {said}", flush=True)
    seconds = time.perf_counter() - began
    after = held(folder)
    grown = [
        f"{key} grew from {looks[0][key]:.1f} to {looks[-1][key]:.1f}"
        for key, most in GROWTH.items()
        if looks[-1][key] - looks[0][key] > most
    ]
    left = [f"{key} left" for key in ("fds", "processes") if after[key] > before[key] + 2]
    crashed = sum(bool(expected(number)) for number in range(total))
    print(f"{name}: {total} tasks, {crashed} crashes, {seconds:.0f} s; lost or wrong {len(faults)}")
    print(f"  before {shown(before)}\n  after  {shown(after)}")
    for fault in [*faults[:10], *grown, *left]:
        print(f"  FAULT: {fault}")
    return not (faults or grown or left)


def shown(look: dict[str, float]) -> str:
    """Give a look in one line."""
    return "  ".join(f"{key} {value:.4g}" for key, value in look.items())


def main() -> int:
    """Run both modes."""
    parser = argparse.ArgumentParser(description="A long run with crashes.")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--reuse", type=int, default=1_000_000)
    parser.add_argument("--clean", type=int, default=200_000)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    part = 50 if given.small else 1
    print(f"Python {platform.python_version()}, {os.cpu_count()} CPUs, {given.workers} workers")
    fine = True
    for name, clean, total in (("reuse", "never", given.reuse), ("clean", "task", given.clean)):
        if total:
            fine = soak(name, clean, total // part, given.workers) and fine
    print("nothing lost, nothing left" if fine else "FAULTS, see above")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
