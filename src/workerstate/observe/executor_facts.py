"""What can be read off a reusable loky executor without touching it.

The file stands alone (no imports but ``sys``), so that the start-up hook can load it by path in
an environment that has no workerstate. ``workerstate.observe.pool_rule`` explains the facts and
says where each one lives in which version.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_PLAIN = (bool, int, float, type(None))
_METHOD = type((lambda: None).__get__(0))
_NAMED = (type, type(lambda: None), type(len), _METHOD)


def read_facts(
    executor: Any, *, root: str, arguments: Mapping[str, Any], reuse: object = "auto"
) -> dict[str, Any]:
    """Give the facts of ``executor`` as plain data, ready for ``ExecutorFacts.from_record``.

    Nothing is started, compared or changed; the program's own ``==`` and ``repr`` are not run.

    Args:
        executor: a ``_ReusablePoolExecutor``.
        root: where its loky was imported from, ``"loky"`` or ``"joblib.externals.loky"``.
        arguments: what ``arguments_of`` gave for the call.
        reuse: the ``reuse`` argument of the call: ``"auto"``, True or False.
    """
    flags = executor._flags
    started = executor._executor_manager_thread is not None and not flags.shutdown
    context = sys.modules.get(f"{root}.backend.context")
    return {
        "identity": f"{root}:{executor.executor_id}",
        "n_jobs": executor._max_workers,
        "cpu_count": None if context is None else context.cpu_count(),
        "queue_size": getattr(executor, "queue_size", None),
        "broken": type(flags.broken).__name__ if flags.broken else None,
        "shutdown": bool(flags.shutdown),
        "killed": bool(flags.kill_workers),
        "ended": executor._max_workers - len(executor._processes) if started else 0,
        "arguments": {
            name: text_of(value, private=name == "initargs") for name, value in arguments.items()
        },
        "reuse": reuse if reuse in (True, False) else "auto",
        "versions": {
            name: sys.modules[name].__version__
            for name in ("joblib", root)
            if name in sys.modules and hasattr(sys.modules[name], "__version__")
        },
    }


def arguments_of(executor_class: type, call: Mapping[str, Any]) -> dict[str, Any]:
    """Give the arguments that decide whether a call may use the pool of the one before it.

    joblib compares a dictionary of its own, which it has replaced by the time it calls loky;
    loky itself compares the keyword arguments of ``get_reusable_executor``, ``call``.
    """
    if executor_class.__module__ == "joblib.executor":
        return dict(sys.modules["joblib.executor"]._executor_args or {})
    flat = {
        name: call.get(name, default)
        for name, default in (
            ("context", None),
            ("timeout", 10),
            ("job_reducers", None),
            ("result_reducers", None),
            ("initializer", None),
            ("initargs", ()),
        )
    }
    return {**flat, **(call.get("env") or {})}


def text_of(value: object, *, private: bool = False, depth: int = 0) -> str:
    """Give a text that differs where two arguments differ, and runs no code of the program's.

    Plain values and short words are shown, unless they are ``private``; other values are named
    by their type or by their own name, with a mark after ``#`` that is good for comparing within
    one process only.
    """
    kind = type(value)
    if kind is tuple or kind is list:
        if depth > 3:
            return f"{kind.__name__} #{id(value):x}"
        inside = (text_of(item, private=private, depth=depth + 1) for item in value)  # type: ignore[attr-defined]
        return f"({', '.join(inside)})"
    if kind in _PLAIN or kind is str:
        if private or (kind is str and len(value) > 32):  # type: ignore[arg-type]
            return f"{kind.__name__} #{hash((kind, value)) & 0xFFFFFFFF:x}"
        return str(value)
    if kind in _NAMED:
        # Asking a bound method for its object is safe; two of them are equal if it is the same.
        mark = id(value.__self__) if kind is _METHOD else id(value)  # type: ignore[attr-defined]
        return f"{value.__module__}.{value.__qualname__} #{mark:x}"  # type: ignore[attr-defined]
    return f"{kind.__module__}.{kind.__qualname__} #{id(value):x}"
