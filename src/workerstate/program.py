"""What belongs to the program itself: its modules, and names that lead to its objects.

Reading runs no code of the program; ``load`` imports, since it is for who applies settings.
"""

from __future__ import annotations

import sys

from workerstate.fingerprint.classes import (
    FunctionType,
    Layout,
    ModuleType,
    attributes_of,
    module_namespace,
    namespace_of,
    plain_module,
    qualified,
)
from workerstate.fingerprint.walk import is_scalar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

MAIN = ("__main__", "__mp_main__")
_TYPING = {"typing", "typing_extensions", "__future__"}
_ALIASES = {"GenericAlias", "UnionType"}
_foreign: set[str] = set()  # names of modules found not to be the program's
_roots: list[str] = []


def user_modules() -> dict[str, dict[str, Any]]:
    """Give the globals of each module of the program, by the module's name.

    A module is the program's if it has a file that is neither of the standard library nor of an
    installed distribution, or if it is a main module without a file. The main module goes by
    ``__main__`` in workers too.
    """
    found: dict[str, dict[str, Any]] = {}
    for name in sorted(sys.modules.keys() - _foreign):
        namespace = module_namespace(name)
        if namespace is None:
            continue
        file = namespace.get("__file__")
        if is_users_file(file) or (name in MAIN and file is None):
            found.setdefault(plain_module(name), live_globals(namespace))
        elif name not in MAIN:  # which may become another module
            _foreign.add(name)
    return found


def live_globals(namespace: dict[str, Any]) -> dict[str, Any]:
    """Give the globals that a module's functions really read and write.

    They are the module's own, but for the main module of a spawned worker: multiprocessing runs
    it by ``runpy.run_path``, which gives a copy of the globals, and puts that into a module.
    """
    if namespace.get("__name__") == "__mp_main__":
        for value in list(namespace.values()):
            for function in (value, *_methods(value)):
                if type(function) is FunctionType:
                    own: dict[str, Any] = function.__globals__
                    if own is not namespace and own.get("__name__") == "__mp_main__":
                        return own
    return namespace


def _methods(value: Any) -> Iterator[object]:
    """Give the functions of a class, bare; nothing for what is no class."""
    if issubclass(type(value), type):
        for held in list(namespace_of(value).values()):
            yield held.__func__ if type(held) in (staticmethod, classmethod) else held


def program_names(module: str, namespace: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Give the names worth comparing: no dunders, modules and typing aliases."""
    for name, value in list(namespace.items()):
        if type(name) is not str or name.startswith("__") or is_scenery(value):
            continue
        yield name, value
        if issubclass(type(value), type) and qualified(value) == (module, name):
            for attribute, held in list(namespace_of(value).items()):
                if not attribute.startswith("__") and not is_member(held):
                    yield f"{name}.{attribute}", held


def is_scenery(value: object) -> bool:
    """Tell whether a global is a module or a name for type checkers, not state."""
    kind = type(value)
    if kind is type or kind is FunctionType or is_scalar(value):
        return False
    module, name = qualified(kind)
    return issubclass(kind, ModuleType) or module in _TYPING or name in _ALIASES


def is_member(held: object) -> bool:
    """Tell whether a class attribute only describes slots or instances."""
    return qualified(type(held))[1] in ("member_descriptor", "getset_descriptor")


def is_users_file(file: object) -> bool:
    """Tell whether a file is neither the standard library's, nor an installed one's, nor ours."""
    if type(file) is not str or file.startswith("<"):
        return False
    if "site-packages" in file or "dist-packages" in file:
        return False
    return not file.startswith(tuple(_roots or _find_roots()))


def _find_roots() -> list[str]:
    """Find the directories of the standard library and of this package."""
    own = __file__.rpartition("/")[0] + "/"
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    stdlib = {f"{base}/lib/python{version}/" for base in (sys.base_prefix, sys.prefix, "/usr")}
    namespace = module_namespace("os")
    if namespace is not None and type(namespace.get("__file__")) is str:
        stdlib.add(namespace["__file__"].rpartition("/")[0] + "/")
    _roots[:] = [own, *sorted(stdlib)]
    return _roots


def reference(value: Any) -> str | None:
    """Give ``module:qualified.name`` if that leads to this very function or class, else None."""
    kind = type(value)
    if issubclass(kind, type):
        module, name = qualified(value)
    elif kind is FunctionType or kind is type(len):
        owner, name = value.__module__, value.__qualname__
        if type(owner) is not str or type(name) is not str:
            return None
        module = plain_module(owner)
    else:
        return None
    return f"{module}:{name}" if _held(module, name) is value else None


def _held(module: str, name: str) -> object:
    held: Any = None
    namespace: Any = module_namespace(module)
    for part in name.split("."):
        held = None if namespace is None else namespace.get(part)
        namespace = namespace_of(held) if issubclass(type(held), type) else None
    wrapped = type(held) is staticmethod or type(held) is classmethod
    return held.__func__ if wrapped else held


def recipe(value: object) -> tuple[str, dict[str, Any] | None] | None:
    """Give plain data from which ``from_recipe`` makes an equal object, or None.

    That is the name of a function or class; for an instance, the name of its class and its
    attributes, if they are plain and its class keeps nothing elsewhere.
    """
    named = reference(value)
    if named is not None:
        return named, None
    named = reference(type(value))
    layout = Layout(type(value), ())
    if named is None or layout.hidden or layout.slots:
        return None
    attributes = attributes_of(value)
    return (named, dict(attributes)) if all(map(is_scalar, attributes.values())) else None


def from_recipe(made: tuple[str, dict[str, Any] | None]) -> Any:
    """Make what ``recipe`` was given, importing its module; calls no initializer."""
    named, attributes = made
    value = load(named)
    if attributes is None:
        return value
    instance = value.__new__(value)
    instance.__dict__.update(attributes)
    return instance


def load(name: str) -> Any:
    """Give what ``module:qualified.name`` leads to, importing the module.

    Raises:
        ImportError: there is no such module.
        AttributeError: the module has no such name.
    """
    module, _, path = name.partition(":")
    value: Any = sys.modules.get(module)
    if value is None:
        value = __import__(module, fromlist=["_"])
    for part in path.split("."):
        value = getattr(value, part)
    return value


def share_main_loggers() -> None:
    """Have the main module's loggers be those of the parent where multiprocessing runs it again.

    There ``logging.getLogger(__name__)`` gives one called ``__mp_main__``, of whose level and
    handlers the parent knows nothing.
    """
    main, logging = sys.modules.get("__mp_main__"), sys.modules.get("logging")
    if logging is None or getattr(main, "__name__", None) != "__mp_main__":
        return
    logging.getLogger("__mp_main__")  # it may be asked for later
    loggers: dict[str, Any] = logging.root.manager.loggerDict
    for name, logger in list(loggers.items()):
        plain = main_name(name)
        if plain != name and plain not in loggers:
            loggers[plain] = logger
            if isinstance(logger, logging.Logger):
                logger.name = plain


def main_name(name: str) -> str:
    """Give a logger's name as it is in the parent, where its main module is ``__main__``."""
    first, dot, rest = name.partition(".")
    return f"{plain_module(first)}{dot}{rest}"
