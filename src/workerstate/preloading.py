"""The modules that a worker imports first, those that no import would find included."""

from __future__ import annotations

import gc
import sys
from contextlib import contextmanager

from workerstate import portable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import ModuleType
    from typing import Any

    # A module's name; its file, if that is not where an import leads; or, if it was made by hand,
    # what it holds, pickled.
    Source = tuple[str, str | None, bytes | None]

_RARELY = 500_000  # new objects from which imports are looked through for garbage


def sources(names: Iterable[str]) -> tuple[Source, ...]:
    """In the parent: say where workers find those modules, as this process has loaded them."""
    return tuple(_source(name) for name in names)


def _source(name: str) -> Source:
    module = sys.modules.get(name)
    if module is None or "." in name:
        return name, None, None
    file = getattr(module, "__file__", None)
    found = _find(name)
    if type(file) is str:
        return name, None if found is not None and found.origin == file else file, None
    return name, None, _contents(module) if found is None else None


def _find(name: str) -> Any:
    """Give the specification by which an import would go."""
    for finder in sys.meta_path:
        find = getattr(finder, "find_spec", None)
        found = None if find is None else find(name, None)
        if found is not None:
            return found
    return None


def _contents(module: ModuleType) -> bytes | None:
    """Give what a module made by hand holds; None if something of it can't be sent."""
    held = {k: v for k, v in vars(module).items() if not (k.startswith("__") and k.endswith("__"))}
    if any(getattr(value, "__module__", None) == module.__name__ for value in held.values()):
        return None  # it would be sent by its name, and looked up in this very module
    try:
        return portable.dumps(held)
    except Exception:  # then the worker's import fails, and says so
        return None


def load(name: str, file: str | None = None, contents: bytes | None = None) -> None:
    """In the worker: import a module, or make it of its file or of its contents.

    Raises:
        ImportError: there is no such module, or none that can be loaded from that file.
        Exception: what the module raises while it is imported.
    """
    if name in sys.modules or (file is None and contents is None):
        __import__(name)
        return
    module, loader = _made(name, file)
    sys.modules[name] = module
    try:
        if loader is not None:
            loader.exec_module(module)
        elif contents is not None:
            vars(module).update(portable.loads(contents))
    except BaseException:
        sys.modules.pop(name, None)
        raise


@contextmanager
def rare_collections() -> Iterator[None]:
    """Have garbage collected rarely while modules are imported, which make next to none.

    It took a tenth of the time of importing numpy, pandas and scikit-learn.
    """
    usual = gc.get_threshold()
    if usual[0] == 0:
        yield
        return
    rare = (_RARELY, *usual[1:])
    gc.set_threshold(*rare)
    try:
        yield
    finally:
        if gc.get_threshold() == rare:  # else a module has set it
            gc.set_threshold(*usual)


def with_modules(read: Callable[[], Any], sources: Iterable[Source]) -> Any:
    """In the worker: read a pickle; first load what it names and only those sources lead to.

    Raises:
        Exception: what it raises otherwise.
    """
    by_hand = {name: (name, file, contents) for name, file, contents in sources if file or contents}
    while True:
        try:
            return read()
        except ModuleNotFoundError as error:
            source = by_hand.pop(error.name or "", None)
            if source is None:
                raise
            load(*source)


def _made(name: str, file: str | None) -> tuple[ModuleType, Any]:
    if file is None:
        return type(sys)(name), None
    from importlib.util import module_from_spec, spec_from_file_location

    spec: Any = spec_from_file_location(name, file)
    if spec is None:
        raise ImportError(f"{file} is no module", name=name)
    return module_from_spec(spec), spec.loader
