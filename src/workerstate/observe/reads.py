"""Which names the code of a task can read: enough to tell whether a difference matters to it.

Followed are the global names in the bytecode of the function, of the functions of the program
that it names, and of the methods of the program's classes; attributes are kept by name alone.
Nothing is called. The walk is bounded, and says when it was cut.
"""

from __future__ import annotations

import builtins
import sys

from workerstate.program import user_modules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any

MOST_FUNCTIONS = 300
MOST_NAMES = 400


class _Nothing:
    def method(self) -> None: ...


# Libraries whose settings matter to who uses one of their objects.
LIBRARIES = frozenset(
    ("logging", "decimal", "random", "numpy", "pandas", "sklearn", "torch", "matplotlib")
)

# Methods that run without being named: those of operators, of making and of entering.
_IMPLIED = frozenset(
    (
        *("__init__", "__new__", "__post_init__", "__init_subclass__", "__call__"),
        *("__enter__", "__exit__", "__getitem__", "__setitem__", "__contains__", "__len__"),
        *("__iter__", "__next__", "__eq__", "__lt__", "__add__", "__sub__", "__mul__"),
        *("__truediv__", "__getattr__", "__getattribute__"),
    )
)
_BUILTINS = frozenset(vars(builtins))
_Function = type(lambda: None)
_Code = type((lambda: None).__code__)
_Module = type(sys)
_Method = type(_Nothing().method)


class Reads:
    """What the code names: libraries, globals as ``module.NAME``, attributes, loggers."""

    def __init__(self) -> None:
        self.libraries: set[str] = set()
        self.globals: set[str] = set()
        self.attributes: set[str] = set()
        self.loggers: set[str] = set()
        self.cut = False
        self._modules = user_modules()
        self._done: set[int] = set()
        self._classes: list[dict[str, Any]] = []
        self._todo: list[tuple[CodeType, dict[str, Any]]] = []

    def follow(self, function: Any) -> Reads:
        """Walk from ``function`` to all that the program's code behind it names."""
        self._add(function)
        while self._todo:
            if len(self._done) > MOST_FUNCTIONS or len(self.globals) > MOST_NAMES:
                self.cut = True
                break
            self._read(*self._todo.pop())
        return self

    def _add(self, value: Any) -> None:
        """Follow a function or method; of a class or instance, what the code names of it."""
        kind = type(value)
        if kind in (_Method, staticmethod, classmethod):
            self._add(value.__func__)
            if kind is _Method:
                self._add_class(type(value.__self__))
        elif kind is _Function:
            if id(value.__code__) not in self._done:
                self._done.add(id(value.__code__))
                self._todo.append((value.__code__, value.__globals__))
                for cell in value.__closure__ or ():
                    self._add_cell(cell)
        elif issubclass(kind, type):
            self._add_class(value)
        else:
            self._add_class(kind)

    def _add_cell(self, cell: Any) -> None:
        try:
            held = cell.cell_contents
        except ValueError:
            return
        if type(held) in (_Function, _Method) or issubclass(type(held), type):
            self._add(held)

    def _add_class(self, cls: type) -> None:
        """Know a class of the program: its methods are followed once the code names them."""
        if id(cls) in self._done or home_of(cls) not in self._modules:
            return
        self._done.add(id(cls))
        for base in type.mro(cls):
            if home_of(base) in self._modules:
                methods = dict(type.__dict__["__dict__"].__get__(base))
                self._classes.append(methods)
                self._add_methods(methods, self.attributes | _IMPLIED)

    def _add_methods(self, methods: dict[str, Any], names: set[str] | frozenset[str]) -> None:
        for name in names.intersection(methods):
            held = methods[name]
            if type(held) is property:
                held = held.fget
            if type(held) in (_Function, staticmethod, classmethod):
                self._add(held)

    def _read(self, code: CodeType, namespace: dict[str, Any]) -> None:
        asks = "getLogger" in code.co_names
        for constant in code.co_consts:
            if type(constant) is _Code:
                self._read(constant, namespace)
            elif asks and type(constant) is str:
                self.loggers.add(constant)
        home = plain(namespace.get("__name__"))
        named = global_names(code)
        fresh = {name for name in code.co_names if name not in named} - self.attributes
        self.attributes |= fresh
        for methods in list(self._classes):
            self._add_methods(methods, fresh)
        for name in named:
            if name in namespace:
                self._see(home, name, namespace[name], code)
            elif home in self._modules and name not in _BUILTINS:
                # It is not there, which may be the very trouble.
                self.globals.add(f"{home}.{name}")

    def _see(self, home: str, name: str, value: Any, code: CodeType) -> None:
        if issubclass(type(value), _Module):
            self._see_module(value, code)
            return
        kind = type(value)
        owner = home_of(value if issubclass(kind, type) else kind)
        if kind is _Function or kind is type(len):
            owner = str(value.__module__)
        if owner.partition(".")[0] in LIBRARIES:
            self.libraries.add(owner.partition(".")[0])
        if owner == "logging" and "name" in getattr(value, "__dict__", ()):
            self.loggers.add(str(value.__dict__["name"]))
        if home in self._modules:
            self.globals.add(f"{home}.{name}")
            self._add(value)

    def _see_module(self, module: Any, code: CodeType) -> None:
        name = plain(module.__dict__.get("__name__"))
        namespace = self._modules.get(name)
        if namespace is None:
            self.libraries.add(name.partition(".")[0])
            return
        for attribute in code.co_names:
            if attribute in namespace:
                self._see(name, attribute, namespace[attribute], code)


def global_names(code: CodeType) -> set[str]:
    """Give the names that the bytecode reads as globals, not as attributes."""
    import opcode

    read = opcode.opmap["LOAD_GLOBAL"]
    by_name = opcode.opmap["LOAD_NAME"]
    # Since 3.11 the lowest bit of LOAD_GLOBAL's argument says something else.
    shift = 1 if sys.version_info >= (3, 11) else 0
    raw, names, found, high = code.co_code, code.co_names, set(), 0
    for place in range(0, len(raw), 2):
        operation, argument = raw[place], raw[place + 1] | high
        high = argument << 8 if operation == opcode.EXTENDED_ARG else 0
        if operation == read:
            found.add(names[argument >> shift])
        elif operation == by_name:
            found.add(names[argument])
    return found


def plain(name: object) -> str:
    """Give a module's name; a worker's ``__mp_main__`` is the program's main module."""
    return "__main__" if name == "__mp_main__" else str(name)


def home_of(cls: type) -> str:
    """Give the module that a class says it is of, without running a metaclass of the user's."""
    namespace = type.__dict__["__dict__"].__get__(cls)
    return plain(namespace.get("__module__", "builtins"))
