"""Live objects of the baseline, and how they are put back where settings don't say it all.

They never leave the process. A facet without an entry here is put back by its settings alone.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    Hold = Callable[[], Any]
    PutBack = Callable[[Any, Iterable[str]], None]

_HOOKS = ("excepthook", "displayhook", "unraisablehook", "breakpointhook")
_STREAMS = ("stdin", "stdout", "stderr")
# The signals that timers send, where there are such.
_TIMERS: dict[str, int] = {
    signal: getattr(_signal, timer)
    for signal, timer in (
        ("SIGALRM", "ITIMER_REAL"),
        ("SIGVTALRM", "ITIMER_VIRTUAL"),
        ("SIGPROF", "ITIMER_PROF"),
    )
    if hasattr(_signal, timer)
}


def hold(facet: str) -> Any:
    """Give the live objects of a facet that ``put_back`` needs."""
    entry = _LIVE.get(facet)
    return None if entry is None else entry[0]()


def put_back(facet: str, held: Any, keys: Iterable[str]) -> bool:
    """Put back what the facet's settings don't hold; ``keys`` is what has changed.

    Returns:
        Whether that was all: the settings need not be applied.
    """
    entry = _LIVE.get(facet)
    if entry is None or (held is None and facet != "numpy"):
        return False
    entry[1](held, keys)
    return facet in _ALL_LIVE


def _hold_logging() -> Any:
    logging: Any = sys.modules.get("logging")
    if logging is None:
        return {}
    return {each: (list(each.handlers), list(each.filters)) for each in _loggers(logging)}


def _loggers(logging: Any) -> list[Any]:
    known = list(logging.root.manager.loggerDict.values())
    return [logging.root, *(each for each in known if isinstance(each, logging.Logger))]


def _put_back_logging(held: Any, _keys: Iterable[str]) -> None:
    logging: Any = sys.modules["logging"]
    kept = {id(handler) for handlers, _ in held.values() for handler in handlers}
    for logger in _loggers(logging):
        handlers, filters = held.get(logger, ([], []))
        for handler in list(logger.handlers):
            if handler not in handlers:
                logger.removeHandler(handler)
                if id(handler) not in kept:
                    handler.close()  # its file is as much left behind as the handler
        for handler in handlers:
            logger.addHandler(handler)
        logger.filters[:] = filters


def _hold_warnings() -> Any:
    warnings: Any = sys.modules.get("warnings")
    if warnings is None:
        return None
    from workerstate.facets.warnings import current_filters

    return list(current_filters()), warnings.showwarning, warnings.formatwarning


def _put_back_warnings(held: Any, _keys: Iterable[str]) -> None:
    import warnings

    filters, warnings.showwarning, warnings.formatwarning = held
    warnings.resetwarnings()
    for entry in filters:
        warnings._add_filter(*entry, append=True)  # type: ignore[attr-defined]


def _hold_path() -> Any:
    return list(sys.path), list(sys.meta_path), list(sys.argv)


def _put_back_path(held: Any, _keys: Iterable[str]) -> None:
    sys.path[:], sys.meta_path[:], sys.argv[:] = held


def _hold_signals() -> Any:
    from workerstate.facets.signals import numbers

    handlers = {name: _signal.getsignal(number) for name, number in numbers().items()}
    timers = [which for which in _TIMERS.values() if _signal.getitimer(which)[0]]
    return handlers, _signal.pthread_sigmask(_signal.SIG_BLOCK, ()), timers


def _put_back_signals(held: Any, keys: Iterable[str]) -> None:
    from workerstate.facets.signals import numbers

    handlers, blocked, timers = held
    for name, which in _TIMERS.items():
        if name in keys and which not in timers:  # it would kill a process without the handler
            _signal.setitimer(which, 0)
    for key in keys:
        if key == "blocked":
            _signal.pthread_sigmask(_signal.SIG_SETMASK, blocked)
        elif handlers.get(key) is not None:
            _signal.signal(numbers()[key], handlers[key])


def _hold_hooks() -> Any:
    named = {name: getattr(sys, name, None) for name in (*_HOOKS, *_STREAMS)}
    threading: Any = sys.modules.get("threading")
    return named, getattr(threading, "excepthook", None), sys.gettrace(), sys.getprofile()


def _put_back_hooks(held: Any, keys: Iterable[str]) -> None:
    named, thread_hook, trace, profile = held
    for name, value in named.items():
        if getattr(sys, name, None) is not value:
            setattr(sys, name, value)
    if "threading.excepthook" in keys and thread_hook is not None:
        sys.modules["threading"].excepthook = thread_hook  # type: ignore[attr-defined]
    if "trace" in keys:
        sys.settrace(trace)
    if "profile" in keys:
        sys.setprofile(profile)


def _hold_random() -> Any:
    random: Any = sys.modules.get("random")
    return None if random is None else random._inst.getstate()


def _put_back_random(held: Any, _keys: Iterable[str]) -> None:
    random: Any = sys.modules["random"]
    random._inst.setstate(held)


def _hold_numpy() -> Any:
    generator: Any = getattr(sys.modules.get("numpy.random.mtrand"), "_rand", None)
    if generator is None:
        return None
    return generator.get_state(legacy=False), getattr(generator._bit_generator, "_seed_seq", None)


def _put_back_numpy(held: Any, keys: Iterable[str]) -> None:
    if "legacy generator" not in keys:
        return
    module: Any = sys.modules["numpy.random.mtrand"]
    generator = module._rand
    swap: Any = getattr(sys.modules["numpy.random"], "set_bit_generator", None)  # from 1.24 on
    if swap is None:
        generator.seed()
    else:
        # A new one knows that nobody has seeded it, so that the next seeding shows, too.
        swap(type(generator._bit_generator)())
    if held is not None:  # else it was imported and seeded in one task: entropy is as good as new
        generator.set_state(held[0])


_LIVE: dict[str, tuple[Hold, PutBack]] = {
    "logging": (_hold_logging, _put_back_logging),
    "warnings": (_hold_warnings, _put_back_warnings),
    "sys_path": (_hold_path, _put_back_path),
    "signals": (_hold_signals, _put_back_signals),
    "hooks": (_hold_hooks, _put_back_hooks),
    "random": (_hold_random, _put_back_random),
    "numpy": (_hold_numpy, _put_back_numpy),
}
# Whose settings are names of what is held, or are put back with it.
_ALL_LIVE = ("warnings", "signals", "hooks")
