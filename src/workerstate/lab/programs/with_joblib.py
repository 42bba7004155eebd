"""The program under test with joblib: nine calls, one after another, on joblib's own workers.

The parent gives its root logger one handler. The calls differ in n_jobs, in the number of tasks
and in what their tasks need.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Callable

import foo  # type: ignore[import-not-found]
import joblib
from bar import bar_function, bar_global  # type: ignore[import-not-found]
from meeting import meet, tell  # type: ignore[import-not-found]


def bar_function_task(place: str, expected: int) -> None:
    """Need a function of bar."""
    meet(place, expected)
    bar_function()
    tell(f"bar_function pid={os.getpid()} bar={int('bar' in sys.modules)}")


def bar_global_task(place: str, expected: int) -> None:
    """Need a global of bar."""
    meet(place, expected)
    right = int(bar_global == "the global of bar")
    bar = int("bar" in sys.modules)
    tell(f"bar_global pid={os.getpid()} bar={bar} right={right}")


def both_task(place: str, expected: int) -> None:
    """Need a function and a global of bar."""
    meet(place, expected)
    bar_function()
    right = int(bar_global == "the global of bar")
    bar = int("bar" in sys.modules)
    tell(f"both pid={os.getpid()} bar={bar} right={right}")


# The task, n_jobs, the number of tasks.
ROUNDS: tuple[tuple[Callable[[str, int], None], int, int], ...] = (
    (foo.report, 2, 2),
    (foo.report, 2, 6),
    (foo.add_handler, 2, 2),
    (foo.add_handler, 2, 6),
    (foo.add_handler, 3, 2),
    (foo.add_handler, 6, 6),
    (bar_function_task, 2, 2),
    (bar_global_task, 3, 3),
    (both_task, 4, 4),
)


def main() -> None:
    """Make the nine calls."""
    logging.basicConfig()
    tell(f"processors cpu_count={joblib.cpu_count()}")
    with tempfile.TemporaryDirectory() as folder:
        for number, (task, n_jobs, tasks) in enumerate(ROUNDS, 1):
            tell(f"call number={number} n_jobs={n_jobs} tasks={tasks}")
            foo.say("parent")
            together = min(n_jobs, tasks)
            # A batch of two tasks would wait for itself.
            joblib.Parallel(n_jobs=n_jobs, batch_size=1)(
                joblib.delayed(task)(os.path.join(folder, f"{number}-{n // together}"), together)
                for n in range(tasks)
            )


if __name__ == "__main__":
    main()
