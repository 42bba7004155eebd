"""What a call in a task's code leads to: a function of the program, a builtin, a library."""

from __future__ import annotations

from workerstate.audit import computed
from workerstate.audit.known import ABSENT, CACHED, Known, MethodType, is_a
from workerstate.audit.lookups import (
    attribute_of,
    cells_of,
    class_of,
    contents,
    known_function,
    tables_of,
)
from workerstate.fingerprint.classes import (
    FunctionType,
    ModuleType,
    attributes_of,
    imported,
    module_namespace,
    name_of,
    qualified,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from workerstate.audit.known import Place
    from workerstate.audit.reach import Reach

    Args = list[Known | None]
    Named = dict[str, Known | None]

_Code = type((lambda: None).__code__)
_METHODS = (type(str.join), type(str.__len__), type(dict.__dict__["fromkeys"]))
_BUILTIN = type(len)
# Methods of builtin containers that change them.
_CHANGERS = frozenset(
    (
        *("append", "extend", "insert", "remove", "pop", "clear", "update", "setdefault"),
        *("add", "discard", "popitem", "appendleft", "popleft", "sort", "reverse"),
        *("difference_update", "intersection_update", "__setitem__", "__delitem__"),
    )
)
_ABOUT_FILES = {"fileno", "isatty", "readable", "seekable", "writable"}
_ASKING = {"isinstance", "issubclass", "type", "id", "callable", "bool", "hasattr"}
_SAYING = {"print", "repr", "format", "ascii"}
# Methods of libraries that make a text of their object.
_TEXTS = ("to_string", "to_html", "to_markdown", "to_latex", "array_str", "array_repr", "array2s")
_UNSEEN = {"exec", "eval", "compile", "__import__"}


def follow(
    reach: Reach, called: Known | None, args: Args, named: Named | None, at: Place
) -> Known | None:
    """Follow a call; give what it returns, where that is known."""
    if called is None or called.library:
        _hand_over(reach, args, named, at, loosely=True)
        return called
    value = called.value
    kind = type(value)
    if kind is _Code:
        return reach.inner(called, args)
    if kind is FunctionType:
        return _function(reach, called, args, named, at)
    if kind is MethodType:
        owner = Known(value.__self__)
        return follow(reach, Known(value.__func__, called.path, owner=owner), args, named, at)
    if value is not ABSENT and issubclass(kind, type):
        return _make(reach, called, args, named, at)
    if kind is _BUILTIN:
        return _builtin(reach, called, args, named, at)
    if kind in _METHODS:
        return _method(reach, called, args, named, at)
    return _object(reach, called, args, named, at)


def _function(
    reach: Reach, known: Known, args: Args, named: Named | None, at: Place
) -> Known | None:
    function = known.value
    if known.path is not None:
        reach.keep(known.path[0], known.path[1], at)
    if reach.can_follow(function):
        return reach.function(known, args, named)
    name = f"{function.__module__}.{function.__qualname__}"
    return _library(reach, known, name, args, named, at)


def _library(
    reach: Reach, known: Known, name: str, args: Args, named: Named | None, at: Place
) -> Known | None:
    """A function of a library: it may do anything with what it gets."""
    reach.add("calls", name, at)
    reach.add("used", name.partition(".")[0], at)
    if name == "os.getenv" and args:
        reach.variable(args[0], at)
    if known.owner is not None and known.owner.value is reach.environ:
        if args and name.rpartition(".")[2] in ("get", "__getitem__", "__contains__", "pop"):
            reach.variable(args[0], at)
        elif args and name.rpartition(".")[2] == "setdefault":
            reach.set_variables.add(str(args[0].value if args[0] is not None else None))
        return None
    for steps, table in tables_of(known.value):
        reach.float(table, whole=True)
        if known.path is not None:
            reach.keep(known.path[0], (*known.path[1], *steps), at)
    wrapped = attributes_of(known.value).get("__wrapped__")
    if type(wrapped) is FunctionType and reach.can_follow(wrapped):
        # The wrapper of a library (functools, click ...) around a function of the program.
        return reach.call(Known(wrapped, known.path, owner=known.owner), args, named, at)
    for _, held in cells_of(known.value):
        reach.float(held, whole=True)
    for value in args if name.startswith(("logging.", "warnings.")) else ():
        reach.formatted(value, at)
    if known.owner is not None and name.rpartition(".")[2].startswith(_TEXTS):
        reach.formatted(known.owner, at)
    _hand_over(reach, args, named, at)
    if known.owner is not None:
        _touch(reach, known.owner, at)
    return Known(ABSENT, cls=object, library=name.partition(".")[0])


def _hand_over(
    reach: Reach, args: Args, named: Named | None, at: Place, *, loosely: bool = False
) -> None:
    """Code that is not followed gets these values: it may use all of them."""
    for value in (*args, *(named or {}).values()):
        if value is None:
            continue
        held = value.value
        if issubclass(type(held), type):
            reach.read(value, at)
            continue
        reach.read(value, at)
        if not loosely and held is not ABSENT:
            reach.float(held, whole=True)


def _touch(reach: Reach, owner: Known, at: Place) -> None:
    """A method that is not followed was called on a value."""
    cls = class_of(owner)
    reach.note_use(cls, at)
    if owner.path is not None:
        reach.read(owner, at)


def _make(reach: Reach, known: Known, args: Args, named: Named | None, at: Place) -> Known | None:
    cls = known.value
    if cls is super:
        return _super(reach, args)
    if cls in (type, bool):
        for value in args:
            reach.test(value, at)
        return None
    if cls is str:
        reach.add("calls", "str", at)
    if cls is str:
        for value in args[:1]:
            reach.formatted(value, at)
    if known.path is not None:
        reach.keep(known.path[0], known.path[1], at)
    if issubclass(cls, BaseException):
        reach.raised_class(cls, at)
    made = Known(ABSENT, cls=cls)
    if not reach.is_users(qualified(cls)[0]):
        reach.note_use(cls, at)
        if qualified(cls)[0] != "builtins":
            reach.add("calls", name_of(cls), at)
        _hand_over(reach, args, named, at)
        return made if qualified(cls)[0] != "builtins" else None
    reach.float(cls)
    found = False
    for name in ("__new__", "__init__", "__post_init__"):
        method = attribute_of(made, name, reach._property)
        if method is not None and type(method.value) is FunctionType:
            method.owner = Known(cls) if name == "__new__" else made
            reach.call(method, [] if name == "__post_init__" else args, named, at)
            found = True
    if not found:
        _hand_over(reach, args, named, at, loosely=True)
    return made


def _super(reach: Reach, args: Args) -> Known | None:
    if len(args) == 2 and args[0] is not None and args[1] is not None:
        cls, owner = args[0].value, args[1]
        if is_a(cls, type):
            return Known(owner.value, owner.path, cls=owner.cls, after=cls)
    return None


def _builtin(
    reach: Reach, known: Known, args: Args, named: Named | None, at: Place
) -> Known | None:
    function = known.value
    owner = function.__self__
    name = str(function.__name__)
    if owner is not None and not issubclass(type(owner), ModuleType):
        bound = Known(owner, None if known.path is None else known.path, owner=None)
        return _container(reach, bound, name, args, named, at)
    module = _public(str(function.__module__), function)
    if module != "builtins":
        return _library(reach, known, f"{module}.{name}", args, named, at)
    if name in ("repr", "print", "format", "ascii"):
        reach.add("calls", name, at)
    if name in _UNSEEN:
        reach.note(f"{at}: what {name}() runs was not followed")
    if name in ("getattr", "setattr", "delattr", "hasattr") and args:
        return computed.by_name(reach, name, args, at)
    if name in _SAYING or (name == "hash" and at.scope != "__hash__"):
        for value in args:
            reach.formatted(value, at)
        if name == "hash":
            reach.hashes = reach.hashes or at
    if name in ("globals", "vars", "locals"):
        return computed.namespace(reach, name, args, at)
    if name in _ASKING:
        for value in args:
            reach.test(value, at)
        return None
    if name == "next" or name == "iter":
        _hand_over(reach, args, named, at, loosely=True)
        return None
    _hand_over(reach, args, named, at)
    return None


def _public(module: str, function: Any) -> str:
    """Give the module under whose name a function of a module written in C is used."""
    public = module.lstrip("_")
    namespace = module_namespace(public) if public != module else None
    held = None if namespace is None else namespace.get(function.__name__)
    return public if held is function else module


def _method(reach: Reach, known: Known, args: Args, named: Named | None, at: Place) -> Known | None:
    """A method written in C."""
    name = str(known.value.__name__)
    if known.owner is None:
        reach.read(known, at)
        _hand_over(reach, args, named, at)
        return None
    return _container(reach, known.owner, name, args, named, at)


def _container(
    reach: Reach, owner: Known, name: str, args: Args, named: Named | None, at: Place
) -> Known | None:
    held = owner.value
    cls = class_of(owner)
    if name == "__init__" and issubclass(cls, BaseException):
        reach.kept_arguments = len(args)
    variable = imported("_contextvars", "ContextVar")
    if variable is not None and cls is variable:
        if name == "set" and owner.path is not None:
            reach.change(owner.path[0], at)
        elif owner.path is not None:
            reach.read(owner, at)
        return None
    _hand_over(reach, args, named, at)
    if computed.is_namespace(held):
        return computed.method(reach, owner, name, args, named, at)
    if name in _CHANGERS and owner.path is not None:
        reach.change(owner.path[0], at)
        if name not in ("setdefault", "pop"):
            return None
    if name in ("get", "__getitem__", "setdefault", "pop") and args:
        found = reach.item(owner, args[0], at)
        if found is not None:
            return found
    if name == "format" and cls is str:
        return computed.text(owner)
    for each in contents(held):
        reach.float(each, whole=True)
    if name in _ABOUT_FILES and issubclass(cls, imported("_io", "_IOBase") or ()):
        reach.test(owner, at)  # os.pread and mmap leave the position alone
    else:
        _touch(reach, owner, at)
    return None


def _object(reach: Reach, known: Known, args: Args, named: Named | None, at: Place) -> Known | None:
    value = known.value
    kind = type(value)
    if kind is imported("functools", "partial"):
        inner = known_partial(value)
        if known.path is not None:
            reach.read(known, at)
        more = {**{k: Known(v) for k, v in value.keywords.items()}, **(named or {})}
        return reach.call(inner, [*map(Known, value.args), *args], more, at)
    wrapped = attributes_of(value).get("__wrapped__") if value is not ABSENT else None
    if wrapped is not None and type(wrapped) is FunctionType:
        # functools.lru_cache and its like.
        if known.path is not None and not args and not named and hasattr(kind, "cache_info"):
            reach.keep(known.path[0], (*known.path[1], CACHED), at)
        return reach.call(Known(wrapped, None, owner=known.owner), args, named, at)
    method = attribute_of(known, "__call__", reach._property)
    if method is not None and type(method.value) is FunctionType and reach.can_follow(method.value):
        if known.path is not None:
            reach.test(known, at)
        return reach.call(method, args, named, at)
    if known.owner is not None and not reach.is_users(qualified(kind)[0]):
        # A method written in Cython.
        home = name_of(class_of(known.owner))
        name = known.path[0] if known.path else f"{home}.{getattr(value, '__name__', '?')}"
        return _library(reach, known, name, args, named, at)
    _hand_over(reach, args, named, at)
    if value is not ABSENT:
        reach.read(known, at)
        reach.note_use(kind, at)
    return None


def known_partial(value: Any) -> Known:
    """Give the function of a partial."""
    return known_function(value.func)
