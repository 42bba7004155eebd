"""Finds attributes as Python would, without running any code of the program.

A path is given only to what is looked up anew in each process: globals of modules, attributes of
classes, and what hangs on them. An object that arrives with a task has none.
"""

from __future__ import annotations

import sys

from workerstate.audit.known import ABSENT, Known, MethodType, is_a
from workerstate.fingerprint.classes import (
    FunctionType,
    Layout,
    MemberType,
    ModuleType,
    attributes_of,
    imported,
    module_name,
    module_namespace,
    mro_of,
    namespace_of,
    qualified,
)
from workerstate.fingerprint.walk import is_scalar
from workerstate.program import live_globals, user_modules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, TypeAlias

    Getter: TypeAlias = Callable[[Known, list[Known | None]], Known | None]

MISSING = object()


def class_of(known: Known) -> type:
    """Give the class of which the object is, or will be."""
    return known.cls if known.value is ABSENT and known.cls is not None else type(known.value)


def attribute_of(owner: Known, name: str, getter: Getter) -> Known | None:
    """Give an attribute; None where that can't be told.

    ``getter`` is called with the function of a property or of a descriptor of the program's, and
    what that gets besides its owner, to say what it returns.
    """
    value = owner.value
    kind = type(value)
    if value is not ABSENT and issubclass(kind, ModuleType):
        return _of_module(value, name)
    if value is not ABSENT and issubclass(kind, type) and owner.after is None:
        found = _of_class(value, name)
        if found is None:
            followed = qualified(kind)[0] in user_modules()
            return _of_instance(owner, name, getter) if followed else None
        held, path = found
        gives = _getter_of(held, path)
        if gives is None:
            return _bound(held, path, owner, by_class=True)
        # A reference worker, which calls nothing, finds the descriptor itself.
        return getter(gives, [Known(None), Known(value)]) or gives.owner
    return _of_instance(owner, name, getter)


def globals_of(module: Any) -> dict[str, Any]:
    """Give the globals of a module object."""
    return live_globals(module_namespace(module_name(module)) or vars(module))


def _of_module(module: Any, name: str) -> Known | None:
    home, namespace = module_name(module), globals_of(module)
    if name in namespace:
        return at_home(namespace[name], f"{home}.{name}")
    if name == "__dict__":
        return Known(namespace)
    # A module that gives its parts by __getattr__ (numpy.random).
    part = sys.modules.get(f"{home}.{name}")
    return None if part is None else Known(part)


def at_home(value: Any, path: str) -> Known:
    """Give a global by the name that the code uses: what is there may be another one's function."""
    return Known(value) if issubclass(type(value), ModuleType) else Known(value, (path, ()))


def home_of(value: Any) -> str | None:
    """Give ``module.Name`` of a class or function that is found there."""
    if type(value) is FunctionType:
        module, name = value.__module__, value.__qualname__
    else:
        module, name = qualified(value)
    if type(module) is not str or type(name) is not str:
        return None
    module = "__main__" if module == "__mp_main__" else module
    holder: Any = module_namespace(module)
    for part in name.split("."):
        if holder is None:
            return None
        held = holder.get(part)
        holder = namespace_of(held) if issubclass(type(held), type) else None
    held = held.__func__ if type(held) in (staticmethod, classmethod) else held
    return f"{module}.{name}" if held is value else None


def _of_class(cls: type, name: str, after: type | None = None) -> tuple[Any, str | None] | None:
    found = after is None
    for base in mro_of(cls):
        if found:
            namespace = namespace_of(base)
            if name in namespace:
                home = home_of(base)
                return namespace[name], None if home is None else f"{home}.{name}"
        found = found or base is after
    return None


def _of_instance(owner: Known, name: str, getter: Getter) -> Known | None:
    cls = class_of(owner)
    held, path = _of_class(cls, name, owner.after) or (MISSING, None)
    gives = _property_of(held, path, owner)
    if gives is not None and type(held) is property:
        return getter(gives, [])
    described = _getter_of(held, path)
    arguments: list[Known | None] = [owner, Known(cls)]
    if described is not None and _comes_first(type(held)):
        return getter(described, arguments)
    if owner.value is not ABSENT:
        own = _held(owner.value, name)
        if own is not MISSING:
            if owner.path is None and is_scalar(own):
                return None  # another one in the next task
            return Known(own, owner.at(f".{name}"))
    if held is MISSING:
        return None
    if gives is not None:  # a cached_property that has not been asked yet
        return getter(gives, [])
    if described is not None:
        return getter(described, arguments)
    return _bound(held, path, owner, by_class=False)


def _property_of(held: Any, path: str | None, owner: Known) -> Known | None:
    """Give the function of a property, or of its like that keep what it returns."""
    step, function = "", None
    if type(held) is property:
        step, function = ".fget", held.fget
    elif type(held).__name__.endswith("cached_property"):
        step, function = ".func", attributes_of(held).get("func")
    if type(function) is not FunctionType:
        return None
    return Known(function, None if path is None else (path, (step,)), owner=owner)


def _getter_of(held: Any, path: str | None) -> Known | None:
    """Give the ``__get__`` of a descriptor whose class is the program's, bound to it.

    Not of one that can be called: that stands for a method, and is followed as one.
    """
    kind = type(held)
    if qualified(kind)[0] not in user_modules() or _of_class(kind, "__call__") is not None:
        return None
    function, home = _of_class(kind, "__get__") or (None, None)
    if type(function) is not FunctionType:
        return None
    descriptor = Known(held, None if path is None else (path, ()))
    return Known(function, None if home is None else (home, ()), owner=descriptor)


def _comes_first(kind: type) -> bool:
    """Tell whether what a descriptor gives goes before what the object itself holds."""
    return any({"__set__", "__delete__"} & set(namespace_of(base)) for base in mro_of(kind))


def _bound(held: Any, path: str | None, owner: Known, *, by_class: bool) -> Known:
    """Give what a class holds, as an attribute of the class or of an instance."""
    kind = type(held)
    root = None if path is None else (path, ())
    if kind is staticmethod:
        return Known(held.__func__, root)
    if kind is classmethod:
        cls = owner.value if by_class else class_of(owner)
        return Known(held.__func__, root, owner=Known(cls))
    if kind is FunctionType:
        return Known(held, root, owner=None if by_class else owner)
    if _binds(kind):
        # A method written in C or Cython, or what a descriptor gives.
        return Known(held, root if _is_put_there(held) else None, owner=owner)
    if not by_class and owner.path is not None and path is not None:
        # Set on the class: where the object is found by name, it is found there too.
        return Known(held, root, owner=owner)
    return Known(held, root)


def _is_put_there(held: Any) -> bool:
    """Tell whether it is a library's descriptor around a class or function of the program's."""
    modules = user_modules()
    return any(
        _is_code(inside) and getattr(inside, "__module__", None) in modules
        for inside in attributes_of(held).values()
    )


def _binds(kind: type) -> bool:
    return any("__get__" in namespace_of(base) for base in mro_of(kind))


def _held(value: Any, name: str) -> Any:
    """Give what an instance itself holds under a name."""
    if type(value) is imported("_thread", "_local"):
        # C code, which knows the attributes of the calling thread.
        return _of_thread(value).get(name, MISSING)
    state = attributes_of(value)
    if name in state:
        return state[name]
    for base in mro_of(type(value)):
        slot: Any = namespace_of(base).get(name)
        if type(slot) is MemberType:
            try:
                return slot.__get__(value)
            except AttributeError:
                return MISSING
    return MISSING


def _of_thread(value: Any) -> dict[str, Any]:
    local: Any = imported("_thread", "_local")
    found: dict[str, Any] = local.__getattribute__(value, "__dict__")
    return found


def attributes(value: Any) -> dict[str, Any]:
    """Give all that an instance of a Python class holds, from its dictionary and its slots."""
    if type(value) is imported("_thread", "_local"):
        return dict(_of_thread(value))
    return {**attributes_of(value), **dict(Layout(type(value), ()).filled(value))}


def item_of(owner: Known, key: Known | None) -> Known | None:
    """Give ``owner[key]`` for a constant key of a builtin container."""
    if key is None or not is_a(key.value, (str, int)):
        return None
    kind = type(owner.value)
    if not issubclass(kind, (dict, list, tuple)):
        return None
    base: Any = next(base for base in (dict, list, tuple) if issubclass(kind, base))
    try:
        value = base.__getitem__(owner.value, key.value)
    except (KeyError, IndexError, TypeError):
        value = ABSENT
    return Known(value, owner.at(f"[{key.value!r}]"))


def contents(value: Any, most: int = 200) -> Iterator[Any]:
    """Give what a builtin container holds."""
    kind = type(value)
    if issubclass(kind, dict):
        yield from list(dict.values(value))[:most]
    elif kind in (list, tuple, set, frozenset):
        yield from list(value)[:most]


def cells_of(function: Any) -> Iterator[tuple[str, Any]]:
    """Give what a function's closure holds, each with the step of a path that leads there."""
    code = getattr(function, "__code__", None)
    cells = getattr(function, "__closure__", None) or ()
    for name, cell in zip(code.co_freevars if code else (), cells, strict=False):
        try:
            yield f"{{{name}}}", cell.cell_contents
        except ValueError:
            continue


def tables_of(function: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Give the tables by which a library's function chooses, as functools.singledispatch does."""
    for step, held in cells_of(function):
        inner = cells_of(held) if type(held) is FunctionType else ()
        for steps, found in (((step,), held), *(((step, more), each) for more, each in inner)):
            if type(found) is dict and found and all(map(_is_code, contents(found))):
                yield steps, found


_CODE = (FunctionType, MethodType, type(len), type(str.join), type(str.__len__))


def _is_code(value: Any) -> bool:
    kind = type(value)
    return kind in _CODE or kind is imported("functools", "partial") or issubclass(kind, type)


def known_function(value: Any) -> Known:
    """Give a function, method or class with the name under which a worker finds it."""
    kind = type(value)
    if kind is MethodType:
        owner = Known(value.__self__)
        function = value.__func__
        home = home_of(function) if type(function) is FunctionType else None
        return Known(function, None if home is None else (home, ()), owner=owner)
    if kind is FunctionType or issubclass(kind, type):
        home = home_of(value)
        return Known(value, None if home is None else (home, ()))
    return Known(value)


_STANDARD = frozenset(
    (
        *("True", "False", "None", "Ellipsis", "NotImplemented", "__debug__", "open"),
        *("copyright", "credits", "license", "exit", "quit", "help"),
    )
)


def is_standard(name: str, value: Any) -> bool:
    """Tell whether a builtin is Python's own, not one that the program added or replaced."""
    own = ("builtins", "_sitebuiltins", "_io")
    if type(value) is type(len) or issubclass(type(value), type):
        return value.__module__ in own
    return name in _STANDARD and qualified(type(value))[0] in own


def argument(value: Any) -> Known | None:
    """Give what a task gets; of a plain value only that the next task may get another one."""
    return None if is_scalar(value) else Known(value)
