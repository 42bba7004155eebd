"""A declaration on trial (`audit --prove`): what workers are given, and what they then have.

The trial is a file of JSON: names to ``carry``, modules to ``preload``, globals to open ``anew``
(module, name, expression), and what to ``ask`` each worker for: ``module:NAME``, ``facet:key``, the
name of a module, ``seed``. Each name is tried for itself: one that can't be carried costs no other.
"""

from __future__ import annotations

import os
import sys

from workerstate.observe import hook

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from workerstate.spec import WorkerSpec

    # By name: a digest that is equal for equal values, and what is shown.
    Texts = dict[str, tuple[str, str]]

FORWARDED = "the parent's handlers"
IMPORTED = "the module"
SEEDED = "a random stream for each task"
_made: dict[tuple[int, tuple[str, ...], tuple[str, ...]], WorkerSpec] = {}
_told: set[tuple[int, str]] = set()


def read(path: str) -> dict[str, Any]:
    """Read the file of a trial."""
    import json

    with open(path, encoding="utf-8") as file:
        trial: dict[str, Any] = json.load(file)
    return trial


def declaration(trial: dict[str, Any], seed: int | None) -> WorkerSpec | None:
    """Give the spec of what can be carried at this moment; what can't is told, with the reason."""
    from workerstate.resources import Resource
    from workerstate.spec import WorkerSpec

    names = tuple(name for name in trial["carry"] if _can_be_carried(name))
    preload = tuple(name for name in trial["preload"] if name in sys.modules)
    resources = {each.full: Resource(each) for each in (Anew(*row) for row in trial["anew"])}
    if not (names or preload or resources or seed is not None):
        return None
    key = (os.getpid(), names, preload)
    if key not in _made:
        _made[key] = WorkerSpec(carry=names, seed=seed, preload=preload, resources=resources)
    return _made[key]


def _can_be_carried(name: str) -> bool:
    from workerstate.errors import WorkerstateError
    from workerstate.spec import WorkerSpec

    try:
        WorkerSpec(carry=(name,)).settings()
    except WorkerstateError as error:
        if (os.getpid(), name) not in _told:
            _told.add((os.getpid(), name))
            hook.emit("uncarried", name=name, reason=str(error))
        return False
    return True


class Anew:
    """Opens a module's global again in each worker, by the expression that the module has for it.

    What was there stays alive: closing a connection that was forked may close it for the parent.
    """

    def __init__(self, module: str, name: str, expression: str) -> None:
        self.module, self.name, self.expression = module, name, expression

    @property
    def full(self) -> str:
        """The name of the global, as findings have it."""
        return f"{self.module}.{self.name}"

    def __call__(self) -> Any:
        """Open it, and put it in its place."""
        from workerstate.program import live_globals

        module = sys.modules.get(self.module) or __import__(self.module, fromlist=["_"])
        namespace = live_globals(vars(module))
        _kept.append(namespace.get(self.name))
        value = namespace[self.name] = eval(self.expression, namespace)
        vars(module)[self.name] = value
        hook.emit("anew", name=self.full)
        return value


_kept: list[Any] = []


def texts(names: Iterable[str], *, worker: bool = False) -> Texts:
    """Say what this process has under each of those names; what is not there is left out."""
    found = {}
    for name in names:
        try:
            said = _texts_of(name, worker)
        except Exception as error:  # a module that can't be imported here, say
            hook.fault(f"trial of {name}", error)
            continue
        if said is not None:
            found[name] = said
    return found


def _texts_of(name: str, worker: bool) -> tuple[str, str] | None:
    from workerstate.facets import BUILTIN
    from workerstate.observe import declare

    if name == "seed":
        return (SEEDED, SEEDED) if not worker or declare.seeding is not None else None
    if ":" not in name:
        return (IMPORTED, IMPORTED) if name in sys.modules else None
    facet, _, key = name.partition(":")
    return _of_facet(facet, key, worker) if facet in BUILTIN else _of_global(name)


def _of_global(name: str) -> tuple[str, str] | None:
    from workerstate.fingerprint import describe_value, fingerprint, looks_secret
    from workerstate.program import load

    try:
        value = load(name)
    except AttributeError:
        return None
    if type(value).__name__ == "ContextVar":
        value = value.get(None)
    elif type(value).__name__ == "_local":
        value = dict(vars(value))  # what this thread has in it
    secret = looks_secret(name.rpartition(":")[2].rpartition(".")[2])
    return fingerprint(value).digest, describe_value(value, values=not secret)


def _of_facet(name: str, key: str, worker: bool) -> tuple[str, str] | None:
    from workerstate.facets import get

    facet = get(name)
    if not facet.present():
        return "", f"the default ({facet.module} is not imported)"
    captured = facet.capture()
    if name == "logging" and key not in captured.settings:
        # A worker has no handlers of the parent's: it sends its records to them.
        forwarded = not worker or "workerstate.records.sender" in sys.modules
        return (FORWARDED, FORWARDED) if forwarded else None
    held = {**captured.observed, **captured.settings}
    if key not in held:
        return None
    text = facet.describe(key, held[key])
    return text, text


def tell(expected: Texts) -> None:
    """In the worker: write what it has of what the parent had when it was launched."""
    here = texts(expected, worker=True)
    nothing = (None, None)
    hook.emit(
        "trial",
        rows=[
            [name, parent, here.get(name, nothing)[1], here.get(name, nothing)[0] == digest]
            for name, (digest, parent) in expected.items()
        ],
    )
