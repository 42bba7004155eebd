"""Why joblib or loky kept, grew, shrank or replaced its pool: the rule, as a pure function.

joblib and ``loky.get_reusable_executor`` keep one pool between calls. What each call did with it
is observed, by comparing which executor there was before and after, and how large; this module
explains it (``explain``), or says that it can't. ``predict`` gives what the rule expects.

The rule, for a call that asks for ``n_jobs`` workers (joblib 1.3 to 1.6, loky 3.4 to 3.7):

* There is no pool yet: it is *created*.
* The pool is broken (a worker died) or shut down (by the program; or by joblib, which does so
  whenever a call fails): *replaced*.
* The arguments differ from those of the call before: *replaced*. joblib counts as arguments
  seven thread variables (``OMP_NUM_THREADS`` and its like), each as set in the environment, by
  ``inner_max_num_threads``, or else ``max(cpu_count // n_jobs, 1)``; and initializer, initargs,
  timeout, max_nbytes, mmap_mode, verbosity above 50, context, and any further keyword. loky
  itself counts context, timeout, reducers, initializer, initargs, env, and knows no coupling to
  the number of processors.
* ``n_jobs`` is larger than the pool's queue (loky 3.5.3 and later, joblib 1.5 and later):
  *replaced*. The queue has room for ``2 * max(cpu_count, n_jobs of the call that made the pool)
  + 1`` tasks.
* Otherwise the pool is kept: *reused*, *grown* or *shrunk* to ``n_jobs``.

``n_jobs=1`` never comes here: such a call runs in the parent and leaves the pool alone.

Where the facts live. Each call passes through the class method
``_ReusablePoolExecutor.get_reusable_executor`` of ``{root}.reusable_executor`` with ``root`` one
of ``loky`` and ``joblib.externals.loky`` (joblib calls it on its subclass
``joblib.executor.MemmappingExecutor``, after it has stored the arguments of the call). It returns
``(executor, is_reused)``, and calls itself once more when it replaces a pool: only the outermost
call of a thread counts. ``workerstate.observe.executor_facts.read_facts`` reads a pool; read the
pool there was just before the call (``arguments`` and ``cpu_count`` kept from the call that last
used it), and the pool returned, just after it.

=================  ==============================  =============================================
fact               joblib 1.3.2, loky 3.4 to 3.6   loky 3.7 (not yet in joblib 1.6.0)
=================  ==============================  =============================================
pool before        ``reusable_executor._executor`` ``reusable_executor._executor_storage.executor``,
                   (one per process)               one per thread
identity           ``executor.executor_id``        the same, still counted per process
n_jobs             ``executor._max_workers``       the same
queue_size         ``executor.queue_size``, absent the same
                   before loky 3.5.3 (joblib
                   1.3.2 and 1.4.2)
broken, shutdown,  ``executor._flags.broken``      the same
killed             (an exception or None),
                   ``.shutdown``,
                   ``.kill_workers`` (booleans)
arguments          of joblib:                      ``_executor_storage.executor_kwargs``
                   ``joblib.executor``\
                   ``._executor_args`` (a flat
                   dictionary); of loky:
                   ``_executor_kwargs``
reuse              the argument of that name: joblib gives True or False (its own comparison),
                   loky's users "auto"
cpu_count          ``{root}.backend.context.cpu_count()``, which obeys affinity, cgroups and
                   ``LOKY_MAX_CPU_COUNT``
ended              ``n_jobs - len(executor._processes)`` (a dictionary by pid), once
                   ``executor._executor_manager_thread`` is not None: before the first task is
                   sent no worker is there
=================  ==============================  =============================================
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from workerstate.values import Value

Event = Literal["created", "reused", "grown", "shrunk", "replaced"]

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


class ExecutorFacts(Value):
    """What can be read off a reusable pool at one moment.

    ``identity`` names the pool and never changes during its life. ``n_jobs`` is the number of
    workers it is meant to have. ``queue_size`` is None where the library sets no limit.
    ``broken`` names the error that broke it; ``killed`` tells, of a pool that is shut down, that
    its workers were killed; ``ended`` counts the workers that are gone from a pool that is not.
    ``arguments`` holds what the library compares between calls, as texts that differ where the
    values do. ``reuse`` is what the call asked for: True, False, or ``"auto"``: compare the
    arguments. ``versions`` maps joblib and loky to theirs.
    """

    identity: str
    n_jobs: int
    cpu_count: int | None = None
    queue_size: int | None = None
    broken: str | None = None
    shutdown: bool = False
    killed: bool = False
    ended: int = 0
    arguments: Mapping[str, str] = {}
    reuse: bool | str = "auto"
    versions: Mapping[str, str] = {}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> ExecutorFacts:
        """Take the facts from what ``read_facts`` wrote; names unknown here are left out."""
        return cls(**{name: record[name] for name in cls._fields if name in record})


def predict(before: ExecutorFacts | None, now: ExecutorFacts) -> Event:
    """Give what the rule expects a call to do.

    Of ``now`` only what the call brings is looked at (``n_jobs``, ``arguments``, ``cpu_count``,
    ``reuse``), not the pool that it got.
    """
    if before is None:
        return "created"
    if _causes(before, now):
        return "replaced"
    return _resized(before, now)


def explain(before: ExecutorFacts | None, now: ExecutorFacts) -> tuple[Event, str]:
    """Give what a call did with the pool, which is observed, and the reason, by the rule.

    Args:
        before: the pool that the call found, read just before it; None where there was none.
        now: the pool that the call got, read just after it.
    """
    if before is None:
        return "created", f"the first pool, with {_count(now.n_jobs, 'worker')}"
    causes = _causes(before, now)
    if now.identity != before.identity:
        if causes:
            return "replaced", f"{'; '.join(causes)}: new pool"
        return "replaced", f"reason not known; changed: {_what_changed(before, now)}"
    event = _resized(before, now)
    reason = _kept_reason(event, before, now)
    if causes:
        reason += f" (unexpectedly, since {'; '.join(causes)})"
    return event, reason


def changed_arguments(before: ExecutorFacts, now: ExecutorFacts) -> list[str]:
    """Give the names of the arguments that differ, in order."""
    names = sorted({*before.arguments, *now.arguments})
    return [name for name in names if before.arguments.get(name) != now.arguments.get(name)]


def _resized(before: ExecutorFacts, now: ExecutorFacts) -> Event:
    """Give what became of a pool that was kept."""
    if now.n_jobs == before.n_jobs:
        return "reused"
    return "grown" if now.n_jobs > before.n_jobs else "shrunk"


def _causes(before: ExecutorFacts, now: ExecutorFacts) -> list[str]:
    """Give every cause, by the rule, for a new pool; none where the pool is to be kept."""
    if before.broken:
        return [f"the pool was broken: {before.broken}"]
    if before.shutdown:
        return [_shutdown_cause(before, now)]
    causes = _argument_causes(before, now)
    if before.queue_size is not None and now.n_jobs > before.queue_size:
        causes.append(f"n_jobs {now.n_jobs} > queue size {_queue_text(before)}")
    return causes


def _shutdown_cause(before: ExecutorFacts, now: ExecutorFacts) -> str:
    """Say who shut the pool down, as far as can be seen: joblib kills, programs seldom do."""
    if not before.killed:
        return "the pool was shut down by the program"
    if "joblib" not in now.versions:
        return "the pool was shut down and its workers killed"
    return "the pool was shut down after a task raised (or the call timed out or was interrupted)"


def _queue_text(before: ExecutorFacts) -> str:
    """Give the size of a pool's queue, and how loky came to it."""
    size = before.queue_size or 0
    first = (size - 1) // 2
    made = first if before.cpu_count is not None and first > before.cpu_count else "n_jobs"
    return f"{size} (2 * max(cpu_count {before.cpu_count}, {made} when it was made) + 1)"


def _argument_causes(before: ExecutorFacts, now: ExecutorFacts) -> list[str]:
    """Give the causes that lie in the arguments of the call."""
    if now.reuse is True:
        return []
    names = changed_arguments(before, now)
    if not names:
        return ["the call asked for a new pool"] if now.reuse is False else []
    if ("max_nbytes" in before.arguments) != ("max_nbytes" in now.arguments):
        return ["one call came through joblib, the other straight to loky"]
    causes = [_threads_cause(before, now)] if _coupled(before, now, names) else []
    if causes:
        names = [name for name in names if name not in THREAD_VARIABLES]
    return causes + [_change_text(name, before, now) for name in names]


def _coupled(before: ExecutorFacts, now: ExecutorFacts, names: list[str]) -> bool:
    """Tell whether all changed thread variables follow from cpu_count // n_jobs, on both sides."""
    threads = [name for name in names if name in THREAD_VARIABLES]
    return bool(threads) and all(
        facts.arguments.get(name) == str(_threads(facts))
        for name in threads
        for facts in (before, now)
    )


def _threads(facts: ExecutorFacts) -> int | None:
    """Give the number of threads that joblib allows each worker, unless it is set otherwise."""
    return None if facts.cpu_count is None else max(facts.cpu_count // facts.n_jobs, 1)


def _threads_cause(before: ExecutorFacts, now: ExecutorFacts) -> str:
    was = f"was {_threads(before)}"
    if before.cpu_count != now.cpu_count:
        was += f" with cpu_count {before.cpu_count}"
    return f"{_division(now)}, {was}"


def _division(facts: ExecutorFacts) -> str:
    quotient = f"cpu_count {facts.cpu_count} // n_jobs {facts.n_jobs}"
    if facts.cpu_count is not None and facts.cpu_count < facts.n_jobs:
        quotient = f"max({quotient}, 1)"
    return f"{quotient} = {_count(_threads(facts) or 1, 'thread')}"


def _change_text(name: str, before: ExecutorFacts, now: ExecutorFacts) -> str:
    """Say how one argument changed, without the marks that only serve comparing."""
    old, new = (_shown(facts.arguments.get(name)) for facts in (before, now))
    if old == new:
        return f"{name} changed: another {new}"
    if name == "initargs":
        return "initargs changed"
    return f"{name} {old} -> {new}" if name.isupper() else f"{name} changed: {old} -> {new}"


def _shown(text: str | None) -> str:
    """Give a text without its ``#`` marks."""
    if text is None:
        return "unset"
    words = (word for word in text.split(" ") if not word.startswith("#"))
    return " ".join(words)


def _kept_reason(event: Event, before: ExecutorFacts, now: ExecutorFacts) -> str:
    if before.ended:
        change = "same n_jobs" if event == "reused" else f"n_jobs {before.n_jobs} -> {now.n_jobs}"
        gone = f"{before.ended} of its workers had ended (idle too long, or leaking memory)"
        return f"{change}: same pool, but {gone}"
    if event == "reused":
        return "same n_jobs: same workers"
    change = f"n_jobs {before.n_jobs} -> {now.n_jobs}: {event}"
    stay = f"the first {_count(before.n_jobs, 'worker')} stay{'s' if before.n_jobs == 1 else ''}"
    if event == "shrunk":
        stay = f"{now.n_jobs} of {_count(before.n_jobs, 'worker')} stay"
    return f"{change}, {stay}{_why_kept(now)}"


def _why_kept(now: ExecutorFacts) -> str:
    """Give the value that kept the pool although n_jobs changed; nothing for loky's own pools."""
    shown = [now.arguments[name] for name in THREAD_VARIABLES if name in now.arguments]
    if len(shown) < len(THREAD_VARIABLES):
        return ""
    if all(value == str(_threads(now)) for value in shown):
        return f" ({_division(now)}, as before)"
    return " (threads per worker as before)"


def _what_changed(before: ExecutorFacts, now: ExecutorFacts) -> str:
    """Name what differs between two moments, for a replacement that the rule can't explain."""
    changes = [_change_text(name, before, now) for name in changed_arguments(before, now)]
    for name in ("n_jobs", "cpu_count"):
        old, new = getattr(before, name), getattr(now, name)
        if old != new:
            changes.append(f"{name} {old} -> {new}")
    return ", ".join(changes) or "nothing that is read"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
