"""Context variables of the program's modules, as seen in the calling context.

Those that a spec names (``module:NAME``) are carried; the others are shown only.
"""

from __future__ import annotations

import sys

from workerstate.facets import Facet
from workerstate.fingerprint import Text, describe_value, looks_secret, ready
from workerstate.fingerprint.classes import imported
from workerstate.program import live_globals, load, program_names, user_modules
from workerstate.values import UNSET, Captured, Value, is_unset

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from contextvars import ContextVar, Token
    from typing import Any

_MOST = 100
_MAIN = "__main__:"
_first: dict[str, Token[Any]] = {}  # what takes back the first value that was set here
_made: dict[str, ContextVar[Any]] = {}  # variables that the main module here lacked


class Held(Value):
    """What a variable of the main module holds, and how to make it where that module lacks it.

    Fields:
        value: what it holds.
        called: what it calls itself.
        default: what it holds where it was not set, alone in a tuple; or an empty one.
    """

    value: Any
    called: str
    default: tuple[Any, ...]


class ContextvarsFacet(Facet):
    """Keys are ``module:NAME``: where the variable is, not what it calls itself."""

    name = "contextvars"
    module = "_contextvars"
    phase = "task"
    imports = True

    def capture(self) -> Captured:
        """Read the variables that are set and are globals of the program's modules."""
        observed: dict[str, Any] = {}
        context = imported("_contextvars", "copy_context")()
        if len(context):
            kind = imported("_contextvars", "ContextVar")
            for module, namespace in user_modules().items():
                for name, value in list(namespace.items()):
                    if type(value) is kind and value in context and len(observed) < _MOST:
                        observed[f"{module}:{name}"] = ready(context[value], name)
        return Captured({}, observed)

    def declared(self, names: Iterable[str]) -> dict[str, Any]:
        """Give what the named variables hold as settings; UNSET for one that holds nothing."""
        found: dict[str, Any] = {}
        for name in names:
            variable = load(name)
            value = variable.get(UNSET)
            if name.startswith(_MAIN) and not is_unset(value):
                value = Held(value, variable.name, default_of(variable))
            found[name] = value
        return found

    def apply(self, settings: Mapping[str, Any]) -> None:
        """Set the variables in the calling context, importing their modules.

        UNSET takes back what was set here before. A variable of the main module is made where
        that module lacks it.
        """
        from _contextvars import Token

        for name, value in settings.items():
            if is_unset(value):
                _take_back(name)
                continue
            if type(value) is Held:
                variable, value = find(name, value.called, value.default), value.value
            else:
                variable = load(name)
            if variable.get(UNSET) is not value:
                token = variable.set(value)
                if token.old_value is Token.MISSING:
                    _first[name] = token

    def describe(self, key: str, value: object, *, values: bool = False) -> str:
        """Say the value; that of a secret-looking name stays hidden."""
        if type(value) is Text:
            return value
        if type(value) is Held:
            value = value.value
        return describe_value(value, values=values and not looks_secret(key))


def _take_back(name: str) -> None:
    token = _first.pop(name, None)
    try:
        if token is not None:
            token.var.reset(token)
            return
    except ValueError:  # set in another context
        pass
    try:
        variable = load(name)
    except AttributeError:
        return
    # Without a token, as for what a fork has copied, only a default is as good as nothing.
    default = default_of(variable)
    if default and variable.get() is not default[0]:
        variable.set(default[0])


def default_of(variable: ContextVar[Any]) -> tuple[Any, ...]:
    """Give what a variable holds where it was not set, alone in a tuple; empty if nothing."""
    from _contextvars import Context

    try:
        return (Context().run(variable.get),)
    except LookupError:
        return ()


def find(name: str, called: str, default: tuple[Any, ...]) -> ContextVar[Any]:
    """Give the variable of that name, made anew where this process's main module lacks it."""
    variable: Any = _made.get(name)
    if variable is None:
        try:
            variable = load(name)
        except AttributeError:
            if not name.startswith(_MAIN):
                raise
            variable = _make(name.partition(":")[2], called, default)
            _made[name] = variable
    found: ContextVar[Any] = variable
    return found


def known(name: str) -> ContextVar[Any] | None:
    """Give the variable of that name if this process has it; imports nothing."""
    from _contextvars import ContextVar

    found: Any = _made.get(name)
    if found is None and name.partition(":")[0] in sys.modules:
        try:
            found = load(name)
        except Exception:  # a module's own __getattr__ may raise anything
            return None
    return found if type(found) is ContextVar else None


def _make(path: str, called: str, default: tuple[Any, ...]) -> ContextVar[Any]:
    from _contextvars import ContextVar

    made: ContextVar[Any] = (
        ContextVar(called, default=default[0]) if default else ContextVar(called)
    )
    if "." not in path:  # else it belongs to a class, which comes by value and asks for it
        live_globals(vars(sys.modules["__main__"]))[path] = made
    return made


def send_by_name() -> None:
    """Have every pickler of this process send a variable as the name under which it stands.

    Pickle refuses them otherwise. Who has a way of his own keeps it.
    """
    import copyreg
    from _contextvars import ContextVar

    copyreg.dispatch_table.setdefault(ContextVar, reduced)


def reduced(variable: ContextVar[Any]) -> tuple[Any, ...]:
    """Give how a variable is pickled: as the global of the program's that it is.

    Raises:
        TypeError: it is none.
    """
    modules = user_modules()
    # The main module last: it may have the variable from another one, which workers import.
    for module in sorted(modules, key=lambda each: each == "__main__"):
        for name, value in program_names(module, modules[module]):
            if value is variable:
                return find, (f"{module}:{name}", variable.name, default_of(variable))
    raise TypeError(
        f"cannot pickle the ContextVar {variable.name!r}, which is no global of a module of the "
        "program; make it one"
    )


facet = ContextvarsFacet()
