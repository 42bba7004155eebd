"""Walks through the bytecode of one function and tells what it does with the values it can know.

The stack is followed from the first instruction to the last, once, along the jumps forward; what
can't be told is None on it. Nothing is run. The names of instructions differ between versions of
Python: those that matter are in the tables, of the others the stack effect is enough.
"""

from __future__ import annotations

import dis
from functools import lru_cache

from workerstate.audit.known import Known, Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType
    from typing import Any, Protocol

    class Walker(Protocol):  # noqa: D101
        # Who is told what the code does.
        def name(self, code: CodeType, space: dict[str, Any], name: str, at: Place) -> Any: ...  # noqa: D102
        def attribute(self, owner: Known | None, name: str, at: Place) -> Known | None: ...  # noqa: D102
        def item(self, owner: Known, key: Known | None, at: Place) -> Known | None: ...  # noqa: D102
        def call(self, called: Any, args: list[Any], named: Any, at: Place) -> Known | None: ...  # noqa: D102
        def read(self, value: Known, at: Place) -> None: ...  # noqa: D102
        def formatted(self, value: Known | None, at: Place) -> None: ...  # noqa: D102
        def test(self, value: Known | None, at: Place) -> None: ...  # noqa: D102
        def same(self, one: Known | None, other: Known | None, at: Place) -> None: ...  # noqa: D102
        def store_name(self, space: dict[str, Any], name: str, value: Any, at: Place) -> None: ...  # noqa: D102
        def store_attribute(self, owner: Any, name: str, value: Any, at: Place) -> None: ...  # noqa: D102
        def store_item(self, owner: Known, key: Known | None, at: Place) -> None: ...  # noqa: D102
        def imported(self, space: dict[str, Any], name: str, names: Any, level: Any) -> Any: ...  # noqa: D102
        def raised(self, value: Known | None, at: Place) -> None: ...  # noqa: D102


NULL = Known("NULL")  # what calls leave empty on the stack
# Instructions that leave the stack as it is, or of which only the stack effect matters.
_IDLE = (
    *("NOP", "RESUME", "CACHE", "EXTENDED_ARG", "JUMP", "MAKE_CELL", "COPY_FREE"),
    *("GEN_START", "NOT_TAKEN", "POP_EXCEPT", "POP_BLOCK", "SETUP_", "RETURN_GENERATOR"),
    *("SETUP_ANNOTATIONS", "DELETE_FAST", "DELETE_GLOBAL", "DELETE_NAME", "END_FOR", "POP_ITER"),
    *("POP_TOP", "PUSH_NULL", "GET_AWAITABLE", "GET_YIELD"),
)
_ENDS = ("RETURN", "RAISE", "RERAISE", "JUMP_FORWARD", "JUMP_ABSOLUTE", "JUMP_BACKWARD")
# Instructions that take values off the stack and leave none of them there.
_TAKERS = ("POP_", "LIST_", "SET_", "DICT_", "MAP_", "RAISE", "YIELD", "PRINT", "INTERPRETER")


@lru_cache(maxsize=4000)
def instructions(code: CodeType) -> list[tuple[str, int | None, Any, int, int]]:
    """Give the instructions of a code: name, argument, its meaning, offset, line."""
    lines = dict(dis.findlinestarts(code))
    line, found = code.co_firstlineno, []
    for each in dis.get_instructions(code):
        line = lines.get(each.offset) or line
        found.append((each.opname, each.arg, each.argval, each.offset, line))
    return found


def handlers_of(code: CodeType) -> dict[int, list[Known | None]]:
    """Give the stack at the start of each handler of exceptions (from Python 3.11 on)."""
    parse = getattr(dis, "_parse_exception_table", None)
    entries = parse(code) if parse is not None else ()
    return {each.target: [None] * (each.depth + each.lasti + 1) for each in entries}


class Machine:
    """One walk through one code."""

    def __init__(
        self,
        walker: Walker,
        code: CodeType,
        space: dict[str, Any],
        known: dict[str, Known],
        handlers: dict[str, Callable[[Machine, int | None, Any], None]],
    ) -> None:
        self.walker = walker
        self._handlers = handlers
        self.code = code
        self.space = space
        self.known = known
        self.stack: list[Known | None] = []
        self.at = Place(code.co_filename, code.co_firstlineno, code.co_name)
        self.named: tuple[str, ...] = ()
        self.result: Known | None = None
        self.result_at = self.at
        # What the stack is where a jump, or an exception, goes on.
        self._waiting: dict[int, list[Known | None]] = handlers_of(code)

    def run(self) -> Known | None:
        """Walk to the end; give what the function returns, if that is known."""
        ended = False
        for name, argument, meaning, offset, line in instructions(self.code):
            waiting = self._waiting.pop(offset, None)
            if waiting is not None and (ended or len(waiting) > len(self.stack)):
                self.stack = waiting
            self.at = Place(self.code.co_filename, line, self.code.co_name)
            self._jump(name, argument, meaning, offset)
            handler = self._handlers.get(name)
            if handler is not None:
                handler(self, argument, meaning)
            else:
                self._other(name, argument)
            ended = name.startswith(_ENDS)
        return self.result

    def push(self, *values: Known | None) -> None:
        """Put values on the stack."""
        self.stack.extend(values)

    def pop(self) -> Known | None:
        """Take the top of the stack; None if the walk has lost count."""
        return self.stack.pop() if self.stack else None

    def take(self, count: int) -> list[Known | None]:
        """Take several, in the order they were put there."""
        return [self.pop() for _ in range(count)][::-1]

    def consume(self, *values: Known | None) -> None:
        """Note that the code does something with the whole of these values."""
        for value in values:
            if value is not None and value is not NULL:
                self.walker.read(value, self.at)

    def _jump(self, name: str, argument: int | None, meaning: Any, offset: int) -> None:
        """Remember the stack for where a forward jump goes."""
        if type(meaning) is not int or meaning <= offset:
            return
        if not ("JUMP" in name or name.startswith(("FOR_ITER", "SETUP_", "SEND"))):
            return
        effect = dis.stack_effect(dis.opmap[name], argument, jump=True)
        stack = self.stack[: len(self.stack) + effect] if effect < 0 else list(self.stack)
        self._waiting.setdefault(meaning, stack + [None] * max(effect, 0))

    def _other(self, name: str, argument: int | None) -> None:
        """Follow an instruction by its stack effect alone."""
        try:
            effect = dis.stack_effect(dis.opmap[name], argument, jump=False)
        except (KeyError, ValueError):
            return
        if name.startswith(_IDLE):
            self.push(*[None] * effect)
            self.take(max(-effect, 0))
            return
        if name.startswith("POP_JUMP"):
            self.walker.test(self.pop(), self.at)
            return
        self.consume(*self.take(max(-effect, 0)))
        if name.startswith(_TAKERS):
            return
        if effect <= 0:
            self.consume(self.pop())
            self.push(None)
        else:
            self.push(*[None] * effect)


class Closure:
    """Where a function that was made inside another finds its names."""

    def __init__(self, space: dict[str, Any], known: dict[str, Known]) -> None:
        self.space = space
        self.known = known
