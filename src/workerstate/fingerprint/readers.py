"""How values of builtin types, and instances of the program's own classes, are read."""

from __future__ import annotations

import _thread

from workerstate.fingerprint.classes import (
    CACHED_HASHES,
    FunctionType,
    GetSetType,
    Layout,
    MemberType,
    ModuleType,
    attributes_of,
    imported,
    module_name,
    mro_of,
    name_of,
    namespace_of,
    plain_module,
    qualified,
)
from workerstate.fingerprint.functions import read_code, read_function

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from workerstate.fingerprint.walk import Reader, Walk


def read_dict(walk: Walk, value: Any) -> bytes:
    """Read a dict, or what an instance of a subclass holds as a dict."""
    return walk.unordered("dict", dict.__len__(value), dict.items(value))


def read_set(walk: Walk, value: Any) -> bytes:
    """Read a set, or what an instance of a subclass holds as a set."""
    return walk.unordered("set", set.__len__(value), zip(set.__iter__(value)))


def read_frozenset(walk: Walk, value: Any) -> bytes:
    """Read a frozenset, or what an instance of a subclass holds as one."""
    return walk.unordered("frozenset", frozenset.__len__(value), zip(frozenset.__iter__(value)))


def read_method(walk: Walk, value: Any) -> bytes:
    """Read a bound method: its function and the object it is bound to."""
    return walk.several("method", value.__func__, value.__self__)


def read_builtin(walk: Walk, value: Any) -> bytes:
    """Read a function or a bound method written in C: its name and what it is bound to."""
    owner = value.__self__
    if owner is None or issubclass(type(owner), ModuleType):
        return walk.named("builtin", plain_module(value.__module__), value.__name__)
    return walk.several("builtin", value.__name__, owner)


def read_class(walk: Walk, value: Any) -> bytes:
    """Read a class: its name stands for it."""
    return walk.named("class", *qualified(value))


def read_module(walk: Walk, value: Any) -> bytes:
    """Read a module: its name stands for it."""
    return walk.named("module", module_name(value))


def read_descriptor(walk: Walk, value: Any) -> bytes:
    """Read a method or attribute of a class written in C: its name stands for it."""
    return walk.named("descriptor", name_of(value.__objclass__), value.__name__)


def read_proxy(walk: Walk, value: Any) -> bytes:
    """Read a read-only view of a mapping; gc knows the mapping without asking its methods."""
    import gc

    return walk.several("mappingproxy", *gc.get_referents(value))


def read_exception(walk: Walk, value: Any) -> bytes:
    """Read an exception's arguments; its traceback belongs to the run, not to the value."""
    return walk.several("exception", BaseException.__dict__["args"].__get__(value))


def read_lock(walk: Walk, value: Any) -> bytes:
    """Read whether a lock is held."""
    return walk.named("lock", "held" if value.locked() else "free")


def read_nothing(walk: Walk, value: object) -> bytes:
    """Read nothing of what a base class is known to keep nothing in."""
    return walk.named("")


def read_unread(walk: Walk, value: object) -> bytes:
    """Name the type of what can't be looked into."""
    return walk.unread(type(value))


# Builtin types by content, through their own methods, so that subclasses read alike.
BASES: dict[type, Reader] = {
    dict: read_dict,
    list: lambda walk, value: walk.sequence("list", list.copy(value)),
    tuple: lambda walk, value: walk.sequence("tuple", tuple.__getitem__(value, slice(None))),
    set: read_set,
    frozenset: read_frozenset,
    int: lambda walk, value: walk.token(int.__int__(value)),
    float: lambda walk, value: walk.token(float.__float__(value)),
    complex: lambda walk, value: walk.several(
        "complex",
        complex.__dict__["real"].__get__(value),
        complex.__dict__["imag"].__get__(value),
    ),
    str: lambda walk, value: walk.token(str.__str__(value)),
    bytes: lambda walk, value: walk.token(bytes.__getitem__(value, slice(None))),
    bytearray: lambda walk, value: walk.several("bytearray", bytes(memoryview(value))),
    BaseException: read_exception,
}

EXACT: dict[type, Reader] = {
    **BASES,
    object: lambda walk, value: walk.named("object"),
    type(NotImplemented): lambda walk, value: walk.named("NotImplemented"),
    range: lambda walk, value: walk.several("range", value.start, value.stop, value.step),
    slice: lambda walk, value: walk.several("slice", value.start, value.stop, value.step),
    memoryview: lambda walk, value: walk.unread(memoryview, str(value.nbytes)),
    FunctionType: read_function,
    type(_thread.allocate_lock()): read_lock,
    type(read_dict.__code__): read_code,
    type(Layout(object, ())._add_slots): read_method,
    type(len): read_builtin,
    GetSetType: read_descriptor,
    MemberType: read_descriptor,
    type(str.join): read_descriptor,
    type(str.__len__): read_descriptor,
    type(type.__dict__): read_proxy,
    property: lambda walk, value: walk.several("property", value.fget, value.fset, value.fdel),
    staticmethod: lambda walk, value: walk.several("staticmethod", value.__func__),
    classmethod: lambda walk, value: walk.several("classmethod", value.__func__),
    type(list[int]): lambda walk, value: walk.several("alias", value.__origin__, value.__args__),
    type(int | str): lambda walk, value: walk.several("union", *value.__args__),
    ModuleType: read_module,
    type: read_class,
}

_BASE_IDS = {id(base): reader for base, reader in BASES.items()}
_EXACT_IDS = {id(kind): reader for kind, reader in EXACT.items()}


def reader_for(kind: type) -> Reader:
    """Find how instances of ``kind`` are read."""
    exact = _EXACT_IDS.get(id(kind))
    if exact is not None:
        return exact
    if issubclass(kind, type):
        return read_class
    if issubclass(kind, ModuleType):
        return read_module
    if issubclass(type(kind), imported("enum", "EnumMeta") or ()):
        return read_member
    return standard_reader(kind)


def standard_reader(kind: type) -> Reader:
    """Find how instances are read, by the builtin, standard and library classes among the bases."""
    from workerstate.fingerprint.known import BASE_READERS, FIELDS, WHOLE_READERS

    bases: dict[int, Reader] = {}
    for base in mro_of(kind):
        names = qualified(base)
        if id(base) in _BASE_IDS:
            bases[id(base)] = _BASE_IDS[id(base)]
        elif names[0] == "builtins" and issubclass(base, BaseException):
            bases[id(base)] = read_nothing
        elif not is_original(base, *names):
            continue
        elif names in WHOLE_READERS:
            return WHOLE_READERS[names]
        elif names in BASE_READERS:
            bases[id(base)] = BASE_READERS[names]
        elif names in FIELDS:
            bases[id(base)] = fields_reader(base, FIELDS[names])
    return instance_reader(Layout(kind, bases), list(bases.values()))


def is_original(cls: type, module: str, name: str) -> bool:
    """Tell whether a class is the one that its module is known for, not one that says so."""
    return imported(module, name) is cls


def fields_reader(cls: type, names: tuple[str, ...]) -> Reader:
    """Give the reader of a known class that keeps all it is in these attributes."""
    getters = [namespace_of(cls)[name].__get__ for name in names]

    def read_fields(walk: Walk, value: object) -> bytes:
        return walk.several("fields", *[get(value) for get in getters])

    return read_fields


def instance_reader(layout: Layout, bases: list[Reader]) -> Reader:
    """Give the reader of instances of one class: what its bases hold, its dictionary, its slots."""

    def read_instance(walk: Walk, value: object) -> bytes:
        tokens = [base(walk, value) for base in bases]
        state = None if layout.namespace is None else layout.namespace(value)
        if type(state) is dict:
            told = list(filter(_told, list(state.items())))
            tokens.append(walk.unordered("attributes", len(told), told))
        tokens.extend(walk.several("slot", name, held) for name, held in layout.filled(value))
        if layout.hidden and not tokens:
            return walk.unread(layout.cls)
        walk.partial = walk.partial or layout.hidden
        return walk.made(name_of(layout.cls), tokens)

    return read_instance


def _told(attribute: tuple[object, object]) -> bool:
    name = attribute[0]
    return type(name) is not str or name not in CACHED_HASHES


def read_member(walk: Walk, value: Any) -> bytes:
    """Read a member of an enumeration: its name stands for it; a combination has a value only."""
    state = attributes_of(value)
    name = state.get("_name_")
    return walk.several("member", type(value), state.get("_value_") if name is None else name)
