"""What the parent set after it started a pool's workers: they go on with what was there before."""

from __future__ import annotations

import os
import time

from workerstate.audit.shapes import kind_of, module_of, resolve, shape
from workerstate.fingerprint import fingerprint
from workerstate.fingerprint.classes import namespace_of, qualified
from workerstate.program import user_modules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from workerstate.audit.reach import Reach

MOST_SECONDS = 0.15  # that one look at all globals may take
MOST_POOLS = 8


class Launches:
    """What there was when the first worker of each pool was started."""

    def __init__(self) -> None:
        self._looks: dict[int, Look] = {}

    def launching(self, arguments: tuple[Any, ...], *, forked: bool) -> None:
        """A worker of a pool is about to be started; its first argument is the pool's own queue."""
        if not arguments or id(arguments[0]) in self._looks:
            return
        if len(self._looks) >= MOST_POOLS:
            del self._looks[next(iter(self._looks))]
        self._looks[id(arguments[0])] = Look(arguments[0], with_globals=forked)

    def since(self, owner: Any, reach: Reach) -> list[dict[str, str]]:
        """Give what ``reach`` reads and was set after the workers of ``owner`` were started."""
        for name in ("_inqueue", "_call_queue"):
            look = self._looks.get(id(getattr(owner, name, None)))
            if look is not None:
                return look.later(reach)
        return []


class Look:
    """The program's environment at one moment, and all its globals where workers are forked."""

    def __init__(self, queue: Any, *, with_globals: bool) -> None:
        self.queue = queue  # kept, so that its id stays its own
        self._environ = dict(os.environ)
        self._known: dict[str, str] = {}
        self._modules: set[str] = set()
        deadline = time.monotonic() + MOST_SECONDS
        for module, namespace in user_modules().items() if with_globals else ():
            for root, value in _globals(module, namespace):
                if time.monotonic() > deadline:
                    return
                self._known[root] = _digest(value)
            self._modules.add(module)

    def later(self, reach: Reach) -> list[dict[str, str]]:
        """Give the names, with what they are now, that were set or changed since."""
        rows = []
        for root in reach.names:
            before, now = self._known.get(root), _digest(resolve(root, ()))
            new = before is None and module_of(root) in self._modules
            if now and (new or (before and before != now)):
                text = shape(resolve(root, ()), root.rpartition(".")[2])["text"]
                rows.append({"root": root, "text": text, "new": "new" if new else ""})
        for name in reach.variables:
            if name not in reach.set_variables and self._environ.get(name) != os.environ.get(name):
                rows.append({"root": f"environ:{name}", "text": "<hidden>", "new": ""})
        return rows


def _globals(module: str, namespace: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in list(namespace.items()):
        if type(name) is not str or name.startswith("__"):
            continue
        if issubclass(type(value), type):
            if qualified(value)[0] == module:
                for each, held in list(namespace_of(value).items()):
                    function = type(held) in (staticmethod, classmethod)
                    yield f"{module}.{name}.{each}", held.__func__ if function else held
        else:
            yield f"{module}.{name}", value


def _digest(value: Any) -> str:
    """Give what tells values apart; nothing where that is not known for sure."""
    if kind_of(value) not in ("data", "function"):
        return ""
    found = fingerprint(value)
    return "" if found.partial else found.digest
