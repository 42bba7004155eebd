"""What goes wrong in workers, one fault after the other, each with a headline on both streams.

Arguments: ``multiprocessing`` and a start method, ``loky`` or ``joblib``.
"""

from __future__ import annotations

import multiprocessing
import sys
import traceback
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def divide(number: int) -> float:
    """Raise a ZeroDivisionError with a cause."""
    try:
        return [1][number]
    except IndexError as error:
        raise ZeroDivisionError(f"for {number}") from error


def secret(_: int) -> Callable[[], None]:
    """Give what can't be pickled."""
    return lambda: None


class Unreadable:
    """Can be pickled, but not unpickled."""

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return explode, ("this object is damaged",)


def explode(text: str) -> None:
    """Raise, as unpickling of a damaged object does."""
    raise ValueError(text)


def import_wrong(_: int) -> None:
    """Import what is not there, below a module that is."""
    import json.tooool  # type: ignore[import-not-found]  # noqa: F401


def leave(how: str) -> None:
    """End a process by exception or by sys.exit, with text or number."""
    if how == "raise":
        raise LookupError("a target that raises")
    sys.exit(f"left with {how}" if how == "text" else 4)


def fail_to_start() -> None:
    """Fail as initializer."""
    raise OSError("no model here")


def headline(name: str) -> None:
    """Say on both streams what comes."""
    print(f"## {name}", flush=True)
    print(f"## {name}", file=sys.stderr, flush=True)


def shown(name: str, action: Callable[[], object]) -> None:
    """Do something that raises, and show the whole traceback."""
    headline(name)
    try:
        print("got", action(), flush=True)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()


def pool(context: Any) -> None:
    """Let a Pool meet each fault."""
    with context.Pool(1) as workers:
        shown("pool: task raises", lambda: workers.map(divide, [5]))
        shown("pool: result can't be pickled", lambda: workers.apply(secret, (1,)))
        shown("pool: import fails", lambda: workers.apply(import_wrong, (1,)))
        shown("pool: task can't be pickled", lambda: workers.apply(lambda: 1))
        shown("pool: and goes on", lambda: workers.map(abs, [-1]))
        workers.close()
        workers.join()
    headline("pool: task can't be unpickled")
    with context.Pool(1) as workers:
        first = workers._pool[0]
        damaged = workers.apply_async(print, (Unreadable(),))
        first.join()
        print("ready", damaged.ready(), flush=True)


def executor(make: Callable[..., Any]) -> None:
    """Let an executor meet each fault."""
    with make(1) as workers:
        shown("executor: task raises", lambda: list(workers.map(divide, [5])))
        shown("executor: result can't be pickled", lambda: workers.submit(secret, 1).result())
        shown("executor: import fails", lambda: workers.submit(import_wrong, 1).result())
        shown("executor: and goes on", lambda: workers.submit(abs, -1).result())
    with make(1) as workers:
        damaged = (print, Unreadable())
        shown("executor: task can't be unpickled", lambda: workers.submit(*damaged).result())
    with make(1, initializer=fail_to_start) as workers:
        shown("executor: initializer raises", lambda: workers.submit(abs, 1).result())


def processes(context: Any) -> None:
    """Let Processes end badly."""
    for how in ("raise", "text", "number"):
        headline(f"process: {how}")
        process = context.Process(target=leave, args=(how,))
        process.start()
        process.join()
        print("exit code", process.exitcode, flush=True)


def parallel() -> None:
    """Let joblib meet each fault."""
    from joblib import Parallel, delayed

    for backend in ("loky", "multiprocessing"):
        for function in (divide, secret, import_wrong):
            shown(
                f"joblib {backend}: {function.__name__}",
                lambda task=function, on=backend: Parallel(2, backend=on)([delayed(task)(5)]),
            )


def main() -> None:
    """Run what the arguments ask for."""
    if sys.argv[1] == "joblib":
        parallel()
    elif sys.argv[1] == "loky":
        import loky

        executor(loky.ProcessPoolExecutor)
    else:
        context = multiprocessing.get_context(sys.argv[2])
        processes(context)
        executor(lambda *a, **k: ProcessPoolExecutor(*a, mp_context=context, **k))
        pool(context)


if __name__ == "__main__":
    main()
