"""What a function of the program has when it is called: arguments, defaults, closure."""

from __future__ import annotations

from workerstate.audit.known import Known, is_a

TYPE_CHECKING = False
if TYPE_CHECKING:
    Args = list[Known | None]
    Named = dict[str, Known | None]


def bind(known: Known, args: Args, named: Named | None) -> dict[str, Known]:
    """Give what the parameters, defaults and closure of a function hold."""
    function = known.value
    code = function.__code__
    space: dict[str, Known] = {}
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=False):
        try:
            held = cell.cell_contents
        except ValueError:
            continue
        space[name] = Known(held, known.at(f"{{{name}}}"))
    values = args if known.owner is None else [known.owner, *args]
    count = code.co_argcount
    given = dict(zip(code.co_varnames[:count], values, strict=False))
    given.update(named or {})
    if named is not None:
        defaults = function.__defaults__ or ()
        for name, held in zip(
            code.co_varnames[count - len(defaults) : count], defaults, strict=False
        ):
            given.setdefault(name, Known(held, known.at(f"({name})")))
        for name, held in (function.__kwdefaults__ or {}).items():
            given.setdefault(name, Known(held, known.at(f"({name})")))
    space.update({name: held for name, held in given.items() if held is not None})
    return space


def without_arguments(known: Known) -> str:
    """Give the name by which a worker calls a function that takes no arguments; empty if none.

    Of ``__new__`` and ``__init__`` it is that of the class.
    """
    function = known.value
    if known.path is None or known.path[1] or function.__kwdefaults__:
        return ""
    owned = known.owner is not None
    needed = function.__code__.co_argcount - len(function.__defaults__ or ()) - owned
    if needed > 0 or function.__code__.co_kwonlyargcount:
        return ""
    owner, _, name = known.path[0].rpartition(".")
    if name in ("__new__", "__init__"):
        return owner
    bound_to_class = owned and is_a(known.owner and known.owner.value, type)
    return known.path[0] if bound_to_class or not owned else ""
