"""The user's functions and what they are given, in what a backend is asked to run."""

from __future__ import annotations

import sys

from workerstate.observe.seams import names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Unit = tuple[Any, tuple[Any, ...], dict[str, Any]]

MOST = 8  # of one batch
# Targets of a library's processes: the parameter that is called once, before the tasks.
_FIRST = {"torch.utils.data._utils.worker:_worker_loop": "init_fn"}

# They seed the global generators of their workers.
SEEDERS = frozenset(_FIRST)


def units_of(called: Any, args: Any, named: dict[str, Any]) -> list[Unit]:
    """Give the calls that one task consists of, as far as they are there already."""
    batch = names._batch(names.unwrap(called))
    if batch:
        return [_plain(function, a, k) for function, a, k in batch[:MOST]]
    if names._is_futures_chunk(called):
        # A chunk of concurrent.futures: a list with the arguments of each call.
        first = args[0][0] if args and args[0] else ()
        return [_plain(called.args[0], first, {})]
    return [_plain(called, args or (), named)]


def _plain(function: Any, args: Any, named: Any) -> Unit:
    """Take a library's wrapper off a function."""
    for _ in range(8):
        attribute = names.WRAPPERS.get(type(function).__name__)
        # A partial is the program's own: what it holds goes to the worker with it.
        if attribute is None or type(function).__name__ == "partial":
            break
        function = getattr(function, attribute, function)
    return function, tuple(args), dict(named)


def initializer_of(owner: Any) -> tuple[Any, tuple[Any, ...]]:
    """Give what a pool or executor calls first in each worker, and with what."""
    found = getattr(owner, "_initializer", None)
    return found, tuple(getattr(owner, "_initargs", None) or ())


def first_of_process(target: Any, args: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
    """Give what a library's process calls before its tasks."""
    wanted = _FIRST.get(names.name(target))
    code = getattr(target, "__code__", None)
    if wanted is None or code is None:
        return None, ()
    found = dict(zip(code.co_varnames, args, strict=False))
    return found.get(wanted), (0,)


def seeds_itself(target: Any) -> bool:
    """Tell whether a library's process seeds the global generators before its tasks."""
    name = names.name(target)
    return name in SEEDERS and hasattr(sys.modules.get(name.partition(":")[0]), "_generate_state")


def method_of(owner: Any) -> str:
    """Give the start method of a pool's or executor's workers."""
    home = type(owner).__module__
    if "loky" in home or home == "joblib.executor":
        return "loky"
    context = getattr(owner, "_mp_context", None) or getattr(owner, "_ctx", None)
    if context is None or home.startswith("billiard"):
        return "fork"
    return str(context.get_start_method())
