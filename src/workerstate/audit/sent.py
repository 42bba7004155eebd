"""The classes of what is sent along with a task: a worker imports each by its name.

One that is made while the program runs, and put into a module, is in no worker that imports the
module afresh.
"""

from __future__ import annotations

import copyreg
import sys

from workerstate.audit.known import ABSENT, MethodType
from workerstate.audit.lookups import attributes, contents, home_of
from workerstate.audit.shapes import module_of, resolve
from workerstate.fingerprint.classes import imported, mro_of, namespace_of, qualified
from workerstate.program import user_modules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

MOST = 50  # of one container
DEPTH = 3


def parts_of(value: Any) -> Iterator[Any]:
    """Give what is sent with a value: of a partial what it calls, of a method its object."""
    kind = type(value)
    yield value
    if kind is imported("functools", "partial"):
        for held in (value.func, *value.args, *value.keywords.values()):
            yield from parts_of(held)
    elif kind is MethodType:
        yield from parts_of(value.__self__)


def classes_of(units: Iterable[Any]) -> dict[str, str]:
    """Give the program's classes that calls are sent with, each with its module."""
    users = user_modules()
    found: dict[str, str] = {}
    for function, args, named in units:
        for value in _walk([function, *args, *named.values()], DEPTH):
            cls = value if issubclass(type(value), type) else type(value)
            if qualified(cls)[0] not in users or (cls is not value and _by_other_means(cls)):
                continue
            home = home_of(cls)
            if home is not None:
                found[home] = module_of(home) or ""
    return found


def _walk(values: Iterable[Any], depth: int) -> Iterator[Any]:
    users = user_modules()
    for each in list(values)[:MOST]:
        for value in parts_of(each):
            yield value
            if not depth:
                continue
            if qualified(type(value))[0] in users and not _says_its_state(type(value)):
                yield from _walk(attributes(value).values(), depth - 1)
            yield from _walk(contents(value, MOST), depth - 1)


def _by_other_means(cls: type) -> bool:
    """Tell whether what is sent of an instance may name something else than its class."""
    return cls in copyreg.dispatch_table or _defines(cls, ("__reduce__", "__reduce_ex__"))


def _says_its_state(cls: type) -> bool:
    """Tell whether not all that an instance holds is sent with it."""
    return _by_other_means(cls) or _defines(cls, ("__getstate__",))


def _defines(cls: type, names: tuple[str, ...]) -> bool:
    return any(
        name in namespace_of(base)
        for base in mro_of(cls)
        if qualified(base)[0].partition(".")[0] not in sys.stdlib_module_names
        for name in names
    )


def absent(classes: dict[str, str]) -> list[str]:
    """Give those of the classes that this process doesn't find, of modules that it has."""
    return [
        home
        for home, module in classes.items()
        if module_of(home) is not None and module and resolve(home, ()) is ABSENT
    ]
