"""The program's main module, and what of it workers have.

Forked workers have the parent's. multiprocessing runs a script again in each worker that it spawns,
as ``__mp_main__``; we do so in a template, once, and in each worker of loky's, as ``__main__`` but
for the guard. There functions and classes of it go by name, like those of any other module.

What a worker's main module lacks is bound under ``if __name__ == "__main__":``, or later; or it is
all, in a notebook, and where a script has no such guard. That travels by value, with the globals
that it reads (``by_value``).
"""

from __future__ import annotations

import pickle
import sys
from types import CodeType, FunctionType, ModuleType

from workerstate.facets import get
from workerstate.fingerprint.walk import is_scalar
from workerstate.program import MAIN, is_users_file, live_globals, reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    Entry = tuple[str | None, str]  # the module's name, if it was run by that (``-m``), and file

_TEXTS = tuple(name.encode() for name in MAIN)
_GLOBAL = ("LOAD_GLOBAL", "LOAD_NAME", "STORE_GLOBAL")


class Shared:
    """The main module, as far as workers have it too.

    Args:
        bound: gives the names that it has in workers; None: all.
        entry: from what workers load it who don't have it by the way they are started; or None.
        there: the way they are started brings it.
        steady: functions and classes keep their names, as in a script.
    """

    def __init__(
        self,
        bound: Callable[[], frozenset[str] | None],
        entry: Entry | None = None,
        *,
        there: bool = False,
        steady: bool = True,
    ) -> None:
        self.entry = entry
        self.there = there
        self.space: dict[str, Any] = live_globals(vars(sys.modules["__main__"]))
        self._bound = bound
        self._steady = steady
        self._size = -1
        self._lacking: frozenset[str] = frozenset()
        self._texts: tuple[bytes, ...] = ()

    @property
    def lacking(self) -> frozenset[str]:
        """The names that workers don't have, and those of functions and classes that read such."""
        self._look()
        return self._lacking

    def has(self, data: bytes) -> bool:
        """Tell whether workers have all of the main module that a pickle may name."""
        self._look()
        return not any(text in data for text in self._texts)

    def _look(self) -> None:
        if len(self.space) == self._size and self._steady:
            return
        size = len(self.space)
        bound = self._bound()
        if bound is not None:
            self._lacking = frozenset(_lacking(self.space, bound))
            own = [name for name in self._lacking if _is_own(self.space.get(name))]
            self._texts = tuple(name.encode() for name in own)
        self._size = size  # last: another thread would take what was found before for this

    def holds(self, value: Any) -> bool:
        """Tell whether workers have a function or class of the main module under its name."""
        if value.__module__ not in MAIN or type(value.__qualname__) is not str:
            return False
        top = value.__qualname__.partition(".")[0]
        return top not in self.lacking and reference(value) is not None

    def state(self) -> dict[str, bytes]:
        """Give what the program may have set in it after its import, pickled, by ``module:NAME``.

        For workers that load it. Plain data that its functions read, and plain attributes of its
        classes; of other values, those that its source sets later. The rest (locks, sockets,
        sentinels) is to be each process's own.
        """
        if self.entry is None:
            return {}
        from workerstate.facets.modules import is_plain
        from workerstate.guard import names_set

        later = names_set(self.entry[1])
        found = {}
        for name, value in self._readable():
            is_set = name.rpartition(".")[2] in later and not callable(value)
            if is_set or (is_plain(value) and not is_scalar(value)):
                try:
                    found[f"__main__:{name}"] = pickle.dumps(value, 5)
                except Exception:  # each process has its own
                    pass
        return found

    def _readable(self) -> Iterator[tuple[str, Any]]:
        """Give the globals that functions of the module read, and attributes of its classes."""
        from workerstate.facets.modules import is_enum

        own = {name: each for name, each in list(self.space.items()) if _is_own(each)}
        read = {
            name for each in own.values() for code in _codes(each) for name in global_names(code)
        }
        for name in sorted(read - self.lacking):
            if name in self.space:
                yield name, self.space[name]
        for name, each in own.items():
            # The attributes of an enumeration are its members, and fixed.
            if isinstance(each, type) and name not in self.lacking and not is_enum(each):
                for attribute, value in list(vars(each).items()):
                    if not attribute.startswith("__"):
                        yield f"{name}.{attribute}", value

    def extras(self, code: CodeType) -> dict[str, Any]:
        """Give the globals that workers lack and that code reads or sets."""
        missing = self.lacking & names_in(code)
        if missing:
            missing &= global_names(code)
        return {name: self.space[name] for name in missing if name in self.space}


def shared_with(method: str) -> Shared:
    """Give what workers of a start method have of the main module.

    Called where the pool is made: a script that makes it unguarded can't be run again.
    """
    main = sys.modules["__main__"]
    sys.modules.setdefault("__mp_main__", main)  # so their classes are called in workers
    if method == "fork":
        return _forked(vars(main))
    found = _entry(main)
    if found is not None:
        path = found[1]
        if method in ("spawn", "forkserver"):
            return Shared(lambda: _bound_by(path), there=True)
        if _may_run_again(vars(main), path):
            return Shared(lambda: _bound_by(path), found)
    return Shared(frozenset, steady="__file__" in vars(main))


def everything() -> Shared:
    """Give the main module as a worker sees the parent's, which has all that a worker's has."""
    return Shared(lambda: None)


def _forked(space: dict[str, Any]) -> Shared:
    """Give what forked workers have: what is there now, and is not made anew later."""
    names = dict(space)
    own = {name: value for name, value in names.items() if _is_own(value)}
    others = frozenset(names.keys() - own.keys())

    def bound() -> frozenset[str]:
        return others | {name for name, value in own.items() if space.get(name) is value}

    return Shared(bound, there=True, steady="__file__" in space)


def begin(entry: Entry | None, state: Mapping[str, bytes]) -> None:
    """In a worker that has not the parent's: have a main module, run or empty.

    Args:
        entry: from what to load it.
        state: what its globals are in the parent; they are set where they differ.

    Raises:
        BaseException: what it raises.
    """
    if entry is None:
        _enter(ModuleType("__main__"))
        return
    _load(entry)
    facet = get("modules")
    for name, data in state.items():
        try:
            facet.apply({name: pickle.loads(data)})
        except Exception:  # nobody has asked for it: what the run has left stays
            pass


def said(entry: Entry | None) -> str:
    """Give that in words: a step of a start."""
    return "the main module" if entry is None else f"import of {entry[1]} (the main module)"


def _entry(main: ModuleType) -> Entry | None:
    """Give from what multiprocessing would load the main module in a worker, if it would."""
    file = getattr(main, "__file__", None)
    name = getattr(getattr(main, "__spec__", None), "name", None)
    if type(file) is not str or file.startswith("<"):
        return None
    if name is not None and name.rpartition(".")[2] == "__main__":
        return None
    base = file.replace("\\", "/").rpartition("/")[2]
    return None if base.partition(".")[0] == "ipython" else (name, file)


def _may_run_again(space: dict[str, Any], path: str) -> bool:
    """Tell whether an import of a script does not do what the script is doing now."""
    from workerstate import guard

    if not path.endswith(".py") or not is_users_file(path) or not guard.guard_lines(path):
        return False
    frame: Any = sys._getframe()
    while frame is not None:
        if frame.f_globals is space and frame.f_code.co_name == "<module>":
            return guard.is_guarded(path, frame.f_lineno)
        frame = frame.f_back
    return True


def _load(entry: Entry) -> None:
    """Run the program's main module in this process, which becomes its ``__main__``.

    Raises:
        BaseException: what it raises.
    """
    from workerstate import guard

    name, path = entry
    module = ModuleType("__main__")
    module.__file__ = path
    if name is None:
        with open(path, "rb") as file:
            source = file.read()
    else:
        from importlib.util import find_spec

        spec: Any = find_spec(name)
        source = spec.loader.get_source(name)
        module.__spec__, module.__package__ = spec, spec.parent
    _enter(module)
    exec(guard.compiled(source, path), vars(module))


def _enter(module: ModuleType) -> None:
    _before.append(sys.modules.get("__main__"))
    vars(module)["__builtins__"] = __builtins__
    sys.modules["__main__"] = sys.modules["__mp_main__"] = module


_before: list[Any] = []  # code of it still runs


def _bound_by(path: str) -> frozenset[str] | None:
    """Give the names that an import of a script binds; None where that can't be told."""
    from workerstate import guard

    names = guard.names_bound(path)
    for star in [name for name in names or () if name.endswith(":*")]:
        module = sys.modules.get(star[:-2])
        if module is None or names is None:
            return None
        names |= frozenset(vars(module))
    return names


def _lacking(space: dict[str, Any], bound: frozenset[str]) -> set[str]:
    names = dict(space)  # other threads of the program may add some meanwhile
    lacking = {name for name in names if name not in bound and not name.startswith("__")}
    more = lacking
    while more:
        more = {
            name
            for name in bound - lacking
            if _is_own(names.get(name)) and any(_reads(c, lacking) for c in _codes(names[name]))
        }
        lacking |= more
    return lacking


def _reads(code: CodeType, names: set[str]) -> bool:
    found = names & names_in(code)
    return bool(found) and not found.isdisjoint(global_names(code))


def _is_own(value: Any) -> bool:
    """Tell whether it is a function or class of the main module, which pickles by name."""
    kind = type(value)
    named = kind is FunctionType or issubclass(kind, type) or kind.__module__ == "functools"
    return named and getattr(value, "__module__", None) in MAIN


def _codes(value: Any) -> Iterator[CodeType]:
    """Give the code of a function, and of what it wraps; of the methods of a class."""
    if isinstance(value, type):
        for held in list(vars(value).values()):
            inner = getattr(held, "__func__", None) or getattr(held, "fget", None) or held
            if type(inner) is FunctionType:
                yield inner.__code__
        return
    seen = 0
    while value is not None and seen < 20:
        if type(value) is FunctionType:
            yield value.__code__
        value, seen = getattr(value, "__wrapped__", None), seen + 1


def named_in(data: bytes) -> int:
    """Give how often a pickle names the main module."""
    return sum(map(data.count, _TEXTS))


def names_in(code: CodeType) -> set[str]:
    """Give all names in code, of globals and of attributes."""
    found = set(code.co_names)
    for each in code.co_consts:
        if type(each) is CodeType:
            found |= names_in(each)
    return found


def global_names(code: CodeType) -> set[str]:
    """Give the names of globals that code, and code inside it, reads or sets."""
    from dis import get_instructions

    found = {i.argval for i in get_instructions(code) if i.opname in _GLOBAL}
    for each in code.co_consts:
        if type(each) is CodeType:
            found |= global_names(each)
    return found
