"""What a value is, as plain data that two processes can compare."""

from __future__ import annotations

import os
import time

from workerstate.audit.known import ABSENT, ANY, CACHED, FILLED, NAMED, TESTED, Known
from workerstate.audit.lookups import (
    attribute_of,
    attributes,
    item_of,
)
from workerstate.fingerprint import describe_value, fingerprint, looks_secret
from workerstate.fingerprint.classes import (
    FunctionType,
    ModuleType,
    attributes_of,
    imported,
    module_namespace,
    mro_of,
    name_of,
    namespace_of,
    plain_module,
    qualified,
)
from workerstate.fingerprint.walk import is_scalar
from workerstate.program import is_users_file, live_globals, user_modules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Shape = dict[str, Any]

MOST_PARTS = 2000
MOST_TEXTS = 100
MOST_SECONDS = 0.5
MOST_CHARACTERS = 500  # of a text that may name the process

_SYNC = (
    *("multiprocessing.synchronize", "multiprocessing.queues", "multiprocessing.sharedctypes"),
    *("multiprocessing.managers", "multiprocessing.connection", "multiprocessing.pool"),
    *("multiprocessing.shared_memory", "mmap"),
)
_CONTAINERS = (list, tuple, dict, set, frozenset)
_LIVE = {
    *("_thread.lock", "_thread.RLock", "threading.Condition", "threading.Event"),
    *("threading.Semaphore", "threading.BoundedSemaphore", "threading.Barrier"),
    *("threading.Thread", "threading.Timer", "logging.Logger", "logging.RootLogger"),
    *("socket.socket", "queue.Queue", "queue.SimpleQueue", "_queue.SimpleQueue"),
    *("generator", "coroutine", "itertools.count", "weakref.ReferenceType"),
    *("tempfile.TemporaryDirectory", "tempfile._TemporaryFileWrapper", "subprocess.Popen"),
    *(
        "concurrent.futures.thread.ThreadPoolExecutor",
        "asyncio.locks.Lock",
        "argparse.ArgumentParser",
    ),
    *("concurrent.futures.process.ProcessPoolExecutor", "re.Pattern", "module"),
}


def resolve(root: str, chain: tuple[str, ...]) -> Any:
    """Give what a path leads to in this process; ABSENT where it leads nowhere."""
    found = start(root)
    for step in chain:
        if found is None or found.value is ABSENT:
            return ABSENT
        if step not in (TESTED, FILLED, ANY, NAMED):
            found = _step(found, step)
    return ABSENT if found is None else found.value


def module_of(root: str) -> str | None:
    """Give the imported module that a root is in."""
    name = root
    while "." in name:
        name = name.rpartition(".")[0]
        if module_namespace(name) is not None:
            return name
    return None


def start(root: str) -> Known | None:
    """Find a root: a module's global, or an attribute of a class there."""
    module = module_of(root)
    if module is None:
        return None
    namespace = live_globals(module_namespace(module) or {})
    first, *rest = root[len(module) + 1 :].split(".")
    if first not in namespace:
        return None
    found: Known | None = Known(namespace[first], (root, ()))
    for name in rest:
        found = None if found is None else _step(found, f".{name}")
    return found


def _step(known: Known, step: str) -> Known | None:
    if step.startswith("."):
        return attribute_of(known, step[1:], lambda function, owner: None)
    if step == CACHED:
        from workerstate.audit.made import cached

        return Known(cached(known.value))
    if step.startswith("["):
        import ast

        return item_of(known, Known(ast.literal_eval(step[1:-1])))
    function = known.value
    if type(function) is not FunctionType:
        return None
    name = step[1:-1]
    if step.startswith("{"):
        cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=False))
        return Known(cells[name].cell_contents) if name in cells else None
    code = function.__code__
    defaults = function.__defaults__ or ()
    count = code.co_argcount
    pairs = zip(code.co_varnames[count - len(defaults) : count], defaults, strict=False)
    held = {**dict(pairs), **(function.__kwdefaults__ or {})}
    return Known(held[name]) if name in held else None


def shape_at(root: str, chain: tuple[str, ...]) -> Shape | None:
    """Give the shape of what a path leads to; None where it leads nowhere."""
    value = resolve(root, chain)
    if value is ABSENT:
        return dict(_UNKNOWN) if _gives_itself(root, chain) else None
    if chain and chain[-1] == TESTED:
        return tested(value)
    if chain and chain[-1] == NAMED:
        return _test(value, "")
    if chain and chain[-1] == FILLED and kind_of(value) != "sync":
        return _test(value, "none" if value is None else "there")
    if chain and _computes(type(value)):
        return dict(_UNKNOWN)
    name = root.rpartition(".")[2] if not chain else chain[-1].strip(".[]'\"")
    return shape(value, name)


_UNKNOWN = {"kind": "failed", "type": "computed", "digest": "", "text": "", "parts": {}}


def _gives_itself(root: str, chain: tuple[str, ...]) -> bool:
    """Tell whether a library's object gives its attributes when it is asked (__getattr__)."""
    if not chain or not chain[-1].startswith("."):
        return False
    kind = type(resolve(root, chain[:-1]))
    held = {name for base in mro_of(kind) for name in namespace_of(base)}
    return "__getattr__" in held and qualified(kind)[0] not in user_modules()


def _computes(kind: type) -> bool:
    """Tell whether it is no value, but gives one when it is asked for (cached_property)."""
    held = {name for base in mro_of(kind) for name in namespace_of(base)}
    return "__get__" in held and "__call__" not in held


def tested(value: Any) -> Shape:
    """Tell only whether a value is there: None, empty, or something."""
    plain = is_scalar(value) or type(value) in _CONTAINERS
    said = "none" if value is None else "empty" if plain and not value else "filled"
    return {**_test(value, said), "plain": plain}


def _test(value: Any, said: str) -> Shape:
    return {"kind": "test", "type": said, "digest": said, "text": _text(value, ""), "parts": {}}


def shape(value: Any, name: str = "") -> Shape:
    """Give the shape of a value that goes by ``name``."""
    kind = type(value)
    variable = imported("_contextvars", "ContextVar")
    if variable is not None and kind is variable:
        return _of_variable(value, name)
    what = kind_of(value)
    made: Shape = {"kind": what, "type": name_of(kind), "parts": {}, "partial": False}
    if what in ("live", "sync"):
        return {**made, "digest": "", "text": f"a {name_of(kind)}"}
    if kind is type(len) and not issubclass(type(value.__self__), ModuleType):
        # A method written in C is what it is, whatever the state of its object (random.random).
        text = f"{name_of(type(value.__self__))}.{value.__name__}"
        return {**made, "digest": text, "text": f"method {text}", "title": text, "home": ""}
    # Of a function its code: what it is bound to is compared by itself, where it is read.
    mark = fingerprint(value.__code__ if kind is FunctionType else value)
    made.update(digest=mark.digest, text=_text(value, name), title=fingerprint(value).title)
    made["partial"] = mark.partial
    made["empty"] = _is_empty(value)
    if what == "function":
        made["home"] = _home(value)
    if what == "random":
        made["text"] = f"a {name_of(kind)}"
    made["parts"] = _parts(value, name)
    return made


def kind_of(value: Any) -> str:
    """Say what sort of value it is."""
    kind = type(value)
    module, name = qualified(kind)
    if module.startswith(("unittest.mock", "mock")):
        return "mock"
    if module.startswith(_SYNC) or (
        module.startswith("multiprocessing") and issubclass(kind, object) and name.endswith("Proxy")
    ):
        return "sync"
    if kind is FunctionType or kind is type(len):
        return "function"
    if issubclass(kind, type):
        return "class"
    if name_of(type(attributes_of(value).get("_wrapper"))) == "multiprocessing.heap.BufferWrapper":
        return "sync"  # of RawValue and RawArray
    if issubclass(kind, ModuleType) or any(name_of(base) in _LIVE for base in mro_of(kind)):
        return "live"
    if issubclass(kind, imported("_io", "_IOBase") or ()):
        return "live"
    if issubclass(kind, imported("_random", "Random") or ()) or module.startswith("numpy.random"):
        return "random"
    if kind is object:
        return "sentinel"
    return "live" if has_own_pid(value) else "data"


def has_own_pid(value: Any) -> bool:
    """Tell whether a value is, or is a text made of, this process's id."""
    pid = os.getpid()
    if type(value) is int:
        return value == pid
    text = str(pid)
    if type(value) is not str or len(value) > MOST_CHARACTERS or text not in value:
        return False
    before, _, after = value.partition(text)
    return not (before[-1:].isdigit() or after[:1].isdigit()) and len(text) > 2


def _of_variable(value: Any, name: str) -> Shape:
    try:
        held = value.get()  # what is set in this context, or else its default
    except LookupError:
        return {
            "kind": "variable",
            "type": "unset",
            "digest": "",
            "text": "not set",
            "parts": {},
            "empty": True,
        }
    return {**shape(held, name), "kind": "variable"}


def _text(value: Any, name: str) -> str:
    if looks_secret(name):
        return "<redacted>"
    return describe_value(value, values=True)[:80]


def _is_empty(value: Any) -> bool:
    if value is None or value is False:
        return True
    return type(value) in (dict, list, set, tuple, str, int, float) and not value


def _home(function: Any) -> str:
    """Say whose code a function is: the program's, or which module's."""
    code = getattr(function, "__code__", None)
    if code is not None and is_users_file(code.co_filename):
        return "program"
    return plain_module(function.__module__)


def _parts(value: Any, name: str) -> dict[str, list[str]]:
    kind = type(value)
    if issubclass(kind, dict):
        pairs = [(_key(key), held) for key, held in list(dict.items(value))[:MOST_PARTS]]
    elif _has_attributes(kind):
        pairs = [(f".{key}", held) for key, held in list(attributes(value).items())[:MOST_PARTS]]
    elif kind in (set, frozenset):
        pairs = [(_key(key), True) for key in list(value)[:MOST_PARTS]]
    else:
        return {}
    deadline = time.monotonic() + MOST_SECONDS
    parts: dict[str, list[str]] = {}
    for number, (key, held) in enumerate(pairs):
        if time.monotonic() > deadline:
            return {}
        text = _text(held, key) if number < MOST_TEXTS else ""
        vague = kind_of(held) in ("live", "sync", "random")
        parts[key] = [name_of(type(held)) if vague else fingerprint(held).digest, text]
    return parts


def _has_attributes(kind: type) -> bool:
    module = qualified(kind)[0]
    return module in ("types", "argparse", "_thread") or module in user_modules()


def _key(key: Any) -> str:
    return repr(key) if is_scalar(key) else describe_value(key, values=True)
