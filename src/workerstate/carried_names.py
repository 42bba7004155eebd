"""What ``carry=`` asks for by name: ``module:NAME``, ``module:*``, context variables."""

from __future__ import annotations

import sys

from workerstate import portable
from workerstate.errors import FacetError, SpecError, WorkerstateError
from workerstate.facets import get
from workerstate.values import UNSET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


def capture_named(
    names: Iterable[str], facets: Iterable[str], found: dict[str, dict[str, Any]]
) -> None:
    """Read what is asked for by name into ``found``, settings by facet.

    Args:
        names: ``module:NAME`` and ``module:*``.
        facets: names of the facets that are carried as well.
        found: what these have given.

    Raises:
        SpecError: something of it can't be read or pickled.
    """
    variables = [name for name in names if _is_context_variable(name)]
    rest = [name for name in names if name not in variables]
    if variables or "contextvars" in facets:
        from workerstate.facets.contextvars import send_by_name

        send_by_name()
    if variables:
        found.setdefault("contextvars", {}).update(declared(get("contextvars"), variables, False))
    if rest:
        found["modules"] = declared(get("modules"), rest, False)


def declared(facet: Any, names: Iterable[str], lenient: bool) -> dict[str, Any]:
    """Read names through their facet; ``lenient`` leaves out what can't be.

    Raises:
        SpecError: something can't be read or pickled; names it.
    """
    found: dict[str, Any] = {}
    for name in names:
        try:
            found.update(_read(facet, name))
        except Exception as error:
            if not lenient:
                raise SpecError(
                    f"carry={name!r} can't be carried: {_innermost(error)}; {_advice(error)}"
                ) from error
    return found


def _read(facet: Any, name: str) -> dict[str, Any]:
    """Give what a name stands for; UNSET for a function or class that stands under its own name.

    By its name it would be what a worker has there, which may be the patch of an earlier task. A
    class comes with its attributes.
    """
    if name.endswith(":*") or facet.name != "modules":
        read: dict[str, Any] = facet.declared([name])
        return read
    from workerstate.program import load, reference

    value = load(name)
    if callable(value) and reference(value) == name:
        attributes = facet.declared([name]) if isinstance(value, type) else {}
        return {**attributes, name: UNSET}
    if type(value).__name__ == "_local" and type(value).__module__ == "_thread":
        # What this thread has in it; a worker's task finds it in the thread that runs it.
        return {f"{name}.{key}": held for key, held in vars(value).items()}
    try:
        read = facet.declared([name])
    except FacetError:
        portable.loads(portable.dumps(value))  # raises what the error should say
        read = {name: value}
    return read


def _innermost(error: BaseException) -> str:
    cause = error.__cause__ if isinstance(error, WorkerstateError) else None
    cause = cause or error
    return f"{type(cause).__name__}: {cause}"


def _advice(error: BaseException) -> str:
    if "through inheritance" in str(error):  # what multiprocessing's locks, queues and values say
        return (
            "take the one of a multiprocessing.Manager(), which can be carried, or "
            "start_method='fork', where workers inherit it"
        )
    return "it must exist when tasks are submitted, and pickle"


def _is_context_variable(name: str) -> bool:
    from workerstate.program import load

    if name.partition(":")[0] not in sys.modules or name.endswith(":*"):
        return False
    try:
        return type(load(name)).__name__ == "ContextVar"
    except AttributeError:  # it may come before it is needed
        return False
