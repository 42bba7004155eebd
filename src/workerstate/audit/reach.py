"""What the code of a task can read, of all that it does not bring along.

Followed are the names in the bytecode of the task's function and of the program's functions,
methods and properties that it calls, across modules; through closures, defaults, arguments,
return values and the functions that containers hold. Nothing is called. The walk is bounded, and
notes what it did not follow.
"""

from __future__ import annotations

import builtins
import time

from workerstate.audit import binding, calls, computed
from workerstate.audit.floating import Floating
from workerstate.audit.known import (
    ABSENT,
    FILLED,
    NOWHERE,
    OF_IMPORT,
    TESTED,
    Known,
    MethodType,
    Place,
    is_a,
)
from workerstate.audit.lookups import (
    argument,
    at_home,
    attribute_of,
    class_of,
    is_standard,
    item_of,
    known_function,
)
from workerstate.audit.machine import Closure, Machine
from workerstate.audit.opcodes import HANDLERS
from workerstate.fingerprint.classes import (
    FunctionType,
    GetSetType,
    ModuleType,
    imported,
    module_namespace,
    plain_module,
    qualified,
)
from workerstate.program import is_users_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any

MOST_FUNCTIONS = 1500
MOST_SECONDS = 1.5
MOST_DEPTH = 60
MOST_BINDINGS = 6  # of one function: beyond, its arguments are taken as unknown

_Code = type((lambda: None).__code__)


class Reach(Floating):
    """All that one task can read: walks through its code, and notes."""

    def __init__(self) -> None:
        super().__init__()
        self._done: dict[object, Known | None] = {}
        self._times: dict[int, int] = {}
        self._running: list[CodeType] = []
        self._deadline = time.monotonic() + MOST_SECONDS
        self._count = 0
        self._returned_at = NOWHERE
        self._entry: object = None
        self.space: dict[str, Any] = {}  # the globals of the code that is walked through

    # --- entries

    def task(self, called: Any, args: Any, named: Any) -> None:
        """Follow a task: its function, what it gets, and what that can call."""
        for value in (*args, *named.values()):
            self.float(value, sent=True)
            self.note_use(type(value), None)
        known = known_function(called)
        self._entry = getattr(known.value, "__code__", None)
        function = getattr(known.owner, "value", None)
        if function is not None:
            self.float(function)
        given = [argument(value) for value in args]
        self._call(known, given, {k: argument(v) for k, v in named.items()}, NOWHERE)
        self.finish()

    def _over(self) -> bool:
        if self._count > MOST_FUNCTIONS or time.monotonic() > self._deadline:
            self.note("the task's code is larger than what is followed; some of it was left out")
            return True
        return False

    # --- what the machine tells

    def name(self, code: CodeType, space: dict[str, Any], name: str, at: Place) -> Known | None:
        """Give a global."""
        if name in OF_IMPORT:
            return Known(space.get(name))
        return self.global_(space, name, at)

    def global_(self, space: dict[str, Any], name: str, at: Place) -> Known | None:
        """Give a global of a module, whoever names it."""
        home = plain_module(space.get("__name__"))
        if name in space:
            found = at_home(space[name], f"{home}.{name}")
            self._named(found, at)
            if type(found.value) is not FunctionType and not issubclass(
                type(found.value), (type, ModuleType)
            ):
                self.note_use(type(found.value), at)
            return found
        held = vars(builtins).get(name, ABSENT)
        if held is not ABSENT:
            return Known(held, None if is_standard(name, held) else (f"builtins.{name}", ()))
        self.keep(f"{home}.{name}", (), at)
        return None

    def _named(self, found: Known, at: Place) -> None:
        if found.path is not None and not found.path[1]:
            self.place("named", found.path[0], at)

    def attribute(self, owner: Known | None, name: str, at: Place) -> Known | None:
        """Give an attribute."""
        if owner is None:
            self.attributes.setdefault(name, at)
            return None
        if owner.library:
            self.attributes.setdefault(name, at)
            return Known(ABSENT, cls=object, library=owner.library)
        found = attribute_of(owner, name, lambda getter, args: self.call(getter, args, {}, at))
        if found is None:
            if owner.value is ABSENT or owner.value is None:
                self.attributes.setdefault(name, at)  # of what a worker has there
            elif owner.path is not None and not issubclass(type(owner.value), ModuleType):
                self._follow_fallback(owner, at)
            return None
        self._named(found, at)
        if type(found.value) is imported("logging", "Logger"):
            self.loggers.add(str(found.value.__dict__.get("name")))
        if owner.path is not None and _is_asked(owner.value, found):
            self.read(owner, at)
        return found

    def _follow_fallback(self, owner: Known, at: Place) -> None:
        fallback = attribute_of(owner, "__getattr__", self._property)
        if fallback is not None and type(fallback.value) is FunctionType:
            self.call(fallback, [], None, at)
        self.read(owner, at)

    def _property(self, getter: Known, args: list[Known | None]) -> Known | None:
        return self.call(getter, args, {}, NOWHERE)

    def item(self, owner: Known, key: Known | None, at: Place) -> Known | None:
        """Give ``owner[key]``."""
        if owner.library:
            return owner
        if owner.value is self.environ:
            self.variable(key, at)
            return None
        if computed.is_namespace(owner.value):
            return computed.item(self, owner, key, at)
        found = item_of(owner, key)
        if found is not None:
            return None if found.value is ABSENT and found.path is None else found
        method = attribute_of(owner, "__getitem__", self._property)
        if method is not None and type(method.value) is FunctionType:
            return self.call(method, [key], {}, at)
        self.read(owner, at)
        return None

    def read(self, value: Known, at: Place, *, step: str | None = None) -> None:
        """Note that the code does something with the whole of a value."""
        held = value.value
        if type(held) is _Code:
            self._call(value, [], None, at)
            return
        if type(held) in (FunctionType, MethodType):
            self._call(known_function(held) if value.path is None else value, [], None, at)
            return
        if value.path is not None:
            root, chain = value.path
            self.keep(root, chain if step is None else (*chain, step), at)
            if step not in (TESTED, FILLED):
                self.float(held)
        if held is not ABSENT and type(held) is imported("logging", "Logger"):
            self.loggers.add(str(held.__dict__.get("name")))

    def formatted(self, value: Known | None, at: Place) -> None:
        """Note that a value is made into text."""
        if value is None:
            return
        library = value.library or qualified(class_of(value))[0].partition(".")[0]
        self.add("formats", library, at)
        self.read(value, at)

    def test(self, value: Known | None, at: Place) -> None:
        """Note that the code asks only whether a value is there."""
        if value is not None and value.path is not None:
            if type(value.value) is FunctionType or issubclass(type(value.value), type):
                return
            self.read(value, at, step=TESTED)

    def same(self, one: Known | None, other: Known | None, at: Place) -> None:
        """Note a comparison by ``is``."""
        for value, against in ((one, other), (other, one)):
            if value is None or value.path is None:
                continue
            if against is not None and against.value is None:
                self.test(value, at)
            else:
                self.identity.setdefault(value.path[0], at)
                self.read(value, at)

    def imported(self, space: dict[str, Any], name: str, names: Any, level: Any) -> Known | None:
        """Note an import inside a function; give the module if the parent has it."""
        depth = level.value if level is not None and is_a(level.value, int) else 0
        if depth:
            package = str(space.get("__package__") or space.get("__name__") or "")
            parts = package.split(".")
            base = ".".join(parts[: len(parts) - depth + 1])
            name = f"{base}.{name}" if name else base
        if name not in self.imports:
            self.imports.append(name)
        for each in names or ():
            if module_namespace(f"{name}.{each}") is not None:
                self.imports.append(f"{name}.{each}")
        shown = name if names else name.partition(".")[0]
        import sys

        module = sys.modules.get(shown)
        return None if module is None else Known(module)

    # --- calls

    def call(
        self, called: Known | None, args: list[Known | None], named: dict[str, Known | None] | None,
        at: Place,
    ) -> Known | None:  # fmt: skip
        """Follow a call; ``named`` is None where the arguments are not known."""
        return calls.follow(self, called, args, named, at)

    def _call(
        self, called: Known, args: list[Known | None], named: dict[str, Known | None] | None,
        at: Place,
    ) -> None:  # fmt: skip
        """Follow a call by who uses what it returns in a way that is not followed."""
        result = self.call(called, args, named, at)
        if result is not None:
            self.read(result, self._returned_at)

    def function(
        self, known: Known, args: list[Known | None], named: dict[str, Known | None] | None
    ) -> Known | None:
        """Walk through a function of the program; give what it returns."""
        function = known.value
        code: CodeType = function.__code__
        self._times[id(code)] = self._times.get(id(code), 0) + 1
        if self._times[id(code)] > MOST_BINDINGS:
            args, named = args[:0], None
        space = binding.bind(known, args, named)
        before, self.function_root = self.function_root, self._maker(known)
        try:
            return self._walk(code, function.__globals__, space)
        finally:
            self.function_root = before

    def _maker(self, known: Known) -> str:
        """Give what a worker can call, without arguments, to have done what this function does."""
        if known.value.__code__ is self._entry:
            return ""  # the task itself
        own = binding.without_arguments(known)
        made = known.owner is not None and known.owner.value is ABSENT
        alone = made and known.value.__code__.co_argcount == 1
        return self.function_root if alone and not own else own

    def inner(self, known: Known, args: list[Known | None]) -> Known | None:
        """Walk through a function that the code itself made."""
        closure: Closure = known.cls  # type: ignore[assignment]
        code: CodeType = known.value
        space = {n: v for n, v in closure.known.items() if n in code.co_freevars}
        names = code.co_varnames[: code.co_argcount]
        space.update({n: v for n, v in zip(names, args, strict=False) if v is not None})
        return self._walk(code, closure.space, space)

    def _walk(self, code: CodeType, space: dict[str, Any], known: dict[str, Known]) -> Known | None:
        key = (id(code), tuple(sorted((name, value.key()) for name, value in known.items())))
        if any(each is code for each in self._running):
            self.recursive = self.recursive or Place(code.co_filename, code.co_firstlineno, "")
        if key in self._done:
            return self._done[key]
        if self._over() or len(self._running) > MOST_DEPTH:
            return None
        self._done[key] = None
        self._count += 1
        self.followed.setdefault((code.co_filename, code.co_firstlineno), code.co_name)
        self._running.append(code)
        before, self.space = self.space, space
        try:
            machine = Machine(self, code, space, known, HANDLERS)
            found = machine.run()
            self._returned_at = machine.result_at
        finally:
            self._running.pop()
            self.space = before
        self._done[key] = found
        return found

    def can_follow(self, function: Any) -> bool:
        """Tell whether a function's code is the program's."""
        file = function.__code__.co_filename
        module = plain_module(function.__module__)
        return is_users_file(file) or (file.startswith("<") and self.is_users(module))


def _is_asked(value: Any, found: Known) -> bool:
    """Tell whether an attribute is what the whole of its object gives."""
    if qualified(type(value))[0].startswith("multiprocessing"):
        return True  # its methods are attributes: lock.acquire
    # Computed in C, of what is in its memory: c_int().value
    return found.path is None and type(found.value) is GetSetType
