"""Read what ``type`` keeps about a class, past anything that the class may override.

``cls.__name__`` or ``cls.__mro__`` can run code of a metaclass, and ``value.__dict__`` code of
a class; the descriptors used here can't.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping
    from typing import Any

FunctionType: Any = type(lambda: None)
ModuleType: Any = type(sys)
GetSetType = type(FunctionType.__code__)
MemberType = type(FunctionType.__globals__)

_of_type: Mapping[str, Any] = type.__dict__
_module_of = _of_type["__module__"].__get__
_qualname_of = _of_type["__qualname__"].__get__
_mro_of = _of_type["__mro__"].__get__
_dict_of = _of_type["__dict__"].__get__
_flags_of = _of_type["__flags__"].__get__
_HEAP = 1 << 9  # Py_TPFLAGS_HEAPTYPE: made at run time
_dict_of_module = ModuleType.__dict__["__dict__"].__get__
# Types are looked up by id: a metaclass may define __hash__ and __eq__.
_made_in_c = {
    id(kind)
    for kind in (type(str.join), type(str.__len__), type(dict.__dict__["fromkeys"]), GetSetType)
}
_gives_dict = {id(GetSetType), id(MemberType)}
_own_of_every_class = {"__dict__", "__weakref__"}

# Instance attributes that keep hash() of a string: another number in each process.
CACHED_HASHES = {"_hash", "_cached_hash", "_attrs_cached_hash"}

# A worker started by spawn or forkserver knows the program's main module under another name.
_ALIASES = {"__mp_main__": "__main__"}


def plain_module(name: object) -> str:
    """Give a module's name as all processes know it."""
    return _ALIASES.get(name, name) if type(name) is str else "?"


def qualified(cls: type) -> tuple[str, str]:
    """Give the module and the qualified name of a class."""
    try:
        module = _module_of(cls)
    except AttributeError:
        module = "?"
    name = _qualname_of(cls)
    return plain_module(module), name if type(name) is str else "?"


def module_name(module: object) -> str:
    """Give the name of a module object as all processes know it."""
    namespace = _dict_of_module(module)
    return plain_module(namespace.get("__name__") if namespace else None)


def name_of(cls: type) -> str:
    """Give ``module.Name``, or ``Name`` alone for a builtin class."""
    module, name = qualified(cls)
    return name if module == "builtins" else f"{module}.{name}"


def is_lasting(cls: type) -> bool:
    """Tell whether a class stays as long as its module; one made in a function may go."""
    return not _flags_of(cls) & _HEAP or imported(*qualified(cls)) is cls


def mro_of(cls: type) -> tuple[type, ...]:
    """Give the classes that ``cls`` inherits from, itself first."""
    mro: tuple[type, ...] = _mro_of(cls)
    return mro


def namespace_of(cls: type) -> Mapping[str, Any]:
    """Give the class's own namespace, as a read-only view."""
    namespace: Mapping[str, Any] = _dict_of(cls)
    return namespace


def module_namespace(name: str) -> dict[str, Any] | None:
    """Give the globals of an imported module, without waking a lazy one; None if there is none."""
    module = sys.modules.get(name)
    if module is None or not issubclass(type(module), ModuleType):
        return None
    namespace: dict[str, Any] | None = _dict_of_module(module)
    return namespace


def imported(name: str, attribute: str) -> Any:
    """Give an attribute of a module if the program imported it, else None."""
    namespace = module_namespace(name)
    return None if namespace is None else namespace.get(attribute)


def is_imported(name: str) -> bool:
    """Tell whether the program imported a module."""
    return module_namespace(name) is not None


class Layout:
    """Where instances of one class keep what they hold.

    ``namespace`` gives an instance's dictionary (None: it has none), ``slots`` are pairs of a
    name and a reader, ``hidden`` tells that a class written in C among the bases, other than
    those whose ids are in ``known``, keeps something that can't be seen.
    """

    __slots__ = ("cls", "hidden", "namespace", "slots")

    def __init__(self, cls: type, known: Container[int]) -> None:
        self.cls = cls
        self.hidden = False
        self.namespace: Callable[[object], object] | None = None
        self.slots: list[tuple[str, Callable[[object], object]]] = []
        for base in mro_of(cls):
            if base is object:
                continue
            own = namespace_of(base)
            if self.namespace is None and id(type(own.get("__dict__"))) in _gives_dict:
                self.namespace = own["__dict__"].__get__
            if id(base) in known:
                continue
            if made_in_c(base, own):
                self.hidden = True
            else:
                self._add_slots(base, own)

    def _add_slots(self, base: type, own: Mapping[str, Any]) -> None:
        for name, attribute in own.items():
            if type(attribute) is MemberType and attribute.__objclass__ is base:
                self.slots.append((name, attribute.__get__))

    def filled(self, value: object) -> list[tuple[str, object]]:
        """Give the slots of an instance that hold something, with what they hold."""
        found = []
        for name, get in self.slots:
            if name not in CACHED_HASHES:
                try:
                    found.append((name, get(value)))
                except AttributeError:
                    continue
        return found


def made_in_c(cls: type, own: Mapping[str, Any]) -> bool:
    """Tell whether a class is written in C: then it has methods or attributes of its own in C."""
    return any(
        id(type(attribute)) in _made_in_c
        and name not in _own_of_every_class
        and attribute.__objclass__ is cls
        for name, attribute in own.items()
    )


def attributes_of(value: object) -> dict[str, Any]:
    """Give an instance's own dictionary, without asking the instance; empty if it has none."""
    for base in mro_of(type(value)):
        own: Any = namespace_of(base).get("__dict__")
        if id(type(own)) in _gives_dict:
            state = own.__get__(value)
            return state if type(state) is dict else {}
    return {}
