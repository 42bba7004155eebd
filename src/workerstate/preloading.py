"""The modules that a worker imports first, those that lie off the import path included."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    # A module's name, and its file if that is not where the import path leads.
    Source = tuple[str, str | None]


def sources(names: Iterable[str]) -> tuple[Source, ...]:
    """In the parent: say where workers find those modules, as this process has loaded them."""
    return tuple((name, _file_off_path(name)) for name in names)


def _file_off_path(name: str) -> str | None:
    """Give the file of a module that an import here would not find, or find elsewhere."""
    file = getattr(sys.modules.get(name), "__file__", None)
    if type(file) is not str or "." in name:
        return None
    from importlib.machinery import PathFinder

    found = PathFinder.find_spec(name)
    return file if found is None or found.origin != file else None


def load(name: str, file: str | None) -> None:
    """In the worker: import a module, from its file where it has one.

    Raises:
        ImportError: there is no such module, or none that can be loaded from that file.
        Exception: what the module raises while it is imported.
    """
    if file is None or name in sys.modules:
        __import__(name)
        return
    from importlib.util import module_from_spec, spec_from_file_location

    spec: Any = spec_from_file_location(name, file)
    if spec is None:
        raise ImportError(f"{file} is no module", name=name)
    module = sys.modules[name] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
