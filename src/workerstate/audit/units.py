"""The user's functions and what they are given, in what a backend is asked to run."""

from __future__ import annotations

import sys

from workerstate.audit import shapes
from workerstate.audit.brought import owner_of
from workerstate.audit.known import MethodType
from workerstate.audit.sent import parts_of
from workerstate.fingerprint.classes import FunctionType, attributes_of, imported, qualified
from workerstate.observe.seams import names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from workerstate.audit.reach import Reach

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
    if names.is_futures_chunk(called):
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


def identity(unit: Unit) -> object:
    """Tell distinct tasks apart: the function, and what kind of things it gets."""
    function, args, named = unit
    code = code_of(function)
    kinds = tuple(sort_of(value) for value in (*args[:MOST], *list(named.values())[:MOST]))
    return (id(code) if code is not None else (names.name(function), sort_of(function)), kinds)


def sort_of(value: Any, depth: int = 2) -> object:
    """Give what tells one value from another: its class, and the code that it brings."""
    code = code_of(value)
    if code is not None:
        return id(code)
    kind = type(value)
    if issubclass(kind, type):
        return id(value)
    if not depth:
        return id(kind)
    if kind is imported("functools", "partial"):
        held = (value.func, *value.args[:MOST], *list(value.keywords.values())[:MOST])
        return (id(kind), *(sort_of(each, depth - 1) for each in held))
    state = list(attributes_of(value).values())[: 2 * MOST]
    return (id(kind), *(sort_of(each, depth - 1) for each in state if _is_code(each)))


def _is_code(value: Any) -> bool:
    kind = type(value)
    partial = kind is imported("functools", "partial")
    return partial or code_of(value) is not None or issubclass(kind, type)


def code_of(value: Any) -> Any:
    """Give the code of a function or method, without asking an object of the program's."""
    if type(value) is MethodType:
        value = value.__func__
    return value.__code__ if type(value) is FunctionType else None


def is_batch(called: Any) -> bool:
    """Tell whether it is one of joblib's batches, which may hold any functions."""
    return type(called).__name__ not in ("function", "method", "partial")


def modules_of(unit: Unit) -> list[str]:
    """Give the modules that a worker imports to read the task."""
    found: list[str] = []
    function, args, named = unit
    given = (function, owner_of(function), *args, *named.values())
    for value in (part for each in given for part in parts_of(each)):
        own = value.__module__ if type(value) in (FunctionType, MethodType, type) else None
        for module in (own, qualified(type(value))[0]):
            if type(module) is str and module not in found and module != "builtins":
                found.append(module)
    return found


def modules_by_value(unit: Unit, reach: Reach) -> list[str]:
    """Give the modules that a worker imports for the code of a function of the main module.

    loky sends such a function with what it names; what is of another module goes by name.
    """
    if "__main__" not in modules_of(unit):
        return []
    found = {shapes.module_of(root) for table in (reach.names, reach.library) for root in table}
    found.update(name for name in reach.used if name in sys.modules)
    return sorted(name for name in found if name not in (None, "__main__", "builtins"))
