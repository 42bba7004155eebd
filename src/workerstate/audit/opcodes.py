"""What each instruction does to the stack, and what it tells the walker: the table."""

from __future__ import annotations

import dis

from workerstate.audit import computed, opcalls
from workerstate.audit.known import Known, is_a
from workerstate.audit.machine import NULL, Machine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# Which of two ways a version of Python has.
_NULL_WITH_GLOBAL = "PUSH_NULL" in dis.opmap
_NULL_FIRST = "SET_FUNCTION_ATTRIBUTE" not in dis.opmap
_METHOD_IN_ATTRIBUTE = "LOAD_METHOD" not in dis.opmap or "LOAD_SUPER_ATTR" in dis.opmap
_SUBSCRIPT = next(
    (number for number, row in enumerate(getattr(dis, "_nb_ops", ())) if row[1] == "[]"), None
)

# --- values


def _load_constant(machine: Machine, argument: int | None, meaning: Any) -> None:
    machine.push(Known(meaning))


def _load_name(machine: Machine, argument: int | None, meaning: Any) -> None:
    found = machine.walker.name(machine.code, machine.space, meaning, machine.at)
    empty = _NULL_WITH_GLOBAL and argument is not None and argument & 1
    machine.push(*((NULL, found) if _NULL_FIRST else (found, NULL)) if empty else (found,))


def _load_unshared_name(machine: Machine, argument: int | None, meaning: Any) -> None:
    machine.push(machine.walker.name(machine.code, machine.space, meaning, machine.at))


def _load_local(machine: Machine, argument: int | None, meaning: Any) -> None:
    shared = machine.code.co_cellvars
    for name in meaning if type(meaning) is tuple else (meaning,):
        # Not the value, but the cell that holds it, for an inner function.
        machine.push(None if name in shared else machine.known.get(name))


def _load_from_cell(machine: Machine, argument: int | None, meaning: Any) -> None:
    machine.push(machine.known.get(meaning))


def _store_local(machine: Machine, argument: int | None, meaning: Any) -> None:
    for name in meaning if type(meaning) is tuple else (meaning,):
        _keep(machine, name, machine.pop())


def _store_and_load(machine: Machine, argument: int | None, meaning: Any) -> None:
    _keep(machine, meaning[0], machine.pop())
    machine.push(machine.known.get(meaning[1]))


def _keep(machine: Machine, name: str, value: Known | None) -> None:
    if value is None or value is NULL:
        machine.known.pop(name, None)
    else:
        machine.known[name] = value


def _load_attribute(machine: Machine, argument: int | None, meaning: Any) -> None:
    machine.push(machine.walker.attribute(machine.pop(), meaning, machine.at))
    if _METHOD_IN_ATTRIBUTE and argument is not None and argument & 1:
        machine.push(NULL)


def _load_method(machine: Machine, argument: int | None, meaning: Any) -> None:
    machine.push(machine.walker.attribute(machine.pop(), meaning, machine.at), NULL)


def _load_super(machine: Machine, argument: int | None, meaning: Any) -> None:
    _, cls, owner = machine.take(3)
    above = None
    if owner is not None and cls is not None and is_a(cls.value, type):
        above = Known(owner.value, owner.path, cls=owner.cls, after=cls.value)
    machine.push(machine.walker.attribute(above, meaning, machine.at))
    if argument is not None and argument & 1:
        machine.push(NULL)


def _load_item(machine: Machine, argument: int | None = None, meaning: Any = None) -> None:
    owner, key = machine.take(2)
    machine.push(_item(machine, owner, key))


def _item(machine: Machine, owner: Known | None, key: Known | None) -> Known | None:
    machine.consume(key)
    return None if owner is None else machine.walker.item(owner, key, machine.at)


def _operate(machine: Machine, argument: int | None, meaning: Any) -> None:
    if _SUBSCRIPT is not None and argument == _SUBSCRIPT:
        _load_item(machine)
        return
    values = machine.take(2)
    machine.consume(*values)
    # What is computed from a library's object is the library's too.
    first = values[0]
    library = next((each for each in values if each is not None and each.library), None)
    machine.push(library or computed.text(first))
    if first is not None and type(first.value) is str:
        machine.walker.formatted(values[1], machine.at)


def _arithmetic(machine: Machine, argument: int | None, meaning: Any) -> None:
    _operate(machine, None, None)


def _format(machine: Machine, argument: int | None, meaning: Any) -> None:
    machine.walker.formatted(machine.pop(), machine.at)
    machine.push(None)


def _format_as(machine: Machine, argument: int | None, meaning: Any) -> None:
    machine.take(1)
    _format(machine, argument, meaning)


def _format_value(machine: Machine, argument: int | None, meaning: Any) -> None:
    (_format_as if (argument or 0) & 4 else _format)(machine, argument, meaning)


def _compare_identity(machine: Machine, argument: int | None, meaning: Any) -> None:
    one, other = machine.take(2)
    machine.walker.same(one, other, machine.at)
    machine.push(None)


def _build_text(machine: Machine, argument: int | None, meaning: Any) -> None:
    pieces = machine.take(argument or 0)
    machine.consume(*pieces)
    machine.push(computed.text(pieces[0]) if pieces else None)


def _unpack(machine: Machine, argument: int | None, meaning: Any) -> None:
    machine.consume(machine.pop())
    count = argument or 0
    machine.push(*[None] * ((count & 255) + (count >> 8) + (count > 255)))


def _test(machine: Machine, argument: int | None, meaning: Any) -> None:
    machine.walker.test(machine.pop(), machine.at)


def _ask(machine: Machine, argument: int | None, meaning: Any) -> None:
    machine.walker.test(machine.pop(), machine.at)
    machine.push(None)


def _hand_out(machine: Machine, argument: int | None, meaning: Any) -> None:
    machine.consume(machine.pop())
    machine.push(None)


def _load_special(machine: Machine, argument: int | None, meaning: Any) -> None:
    machine.consume(machine.pop())
    machine.push(None, None)


def _enter(machine: Machine, argument: int | None, meaning: Any) -> None:
    """``with value:``."""
    value = machine.pop()
    machine.consume(value)
    machine.push(None, value)


def _iterate(machine: Machine, argument: int | None, meaning: Any) -> None:
    machine.consume(machine.pop())
    machine.push(None, *[None] * dis.stack_effect(dis.opmap["GET_ITER"], argument))


# --- stores


def _store_name(machine: Machine, argument: int | None, meaning: Any) -> None:
    machine.walker.store_name(machine.space, meaning, machine.pop(), machine.at)


def _store_attribute(machine: Machine, argument: int | None, meaning: Any) -> None:
    value, owner = machine.take(2)
    machine.walker.store_attribute(owner, meaning, value, machine.at)
    machine.consume(value)


def _delete_attribute(machine: Machine, argument: int | None, meaning: Any) -> None:
    machine.walker.store_attribute(machine.pop(), meaning, None, machine.at)


def _store_item(machine: Machine, argument: int | None, meaning: Any) -> None:
    value, owner, key = machine.take(3)
    machine.consume(value, key)
    if owner is not None:
        machine.walker.store_item(owner, key, machine.at)


def _delete_item(machine: Machine, argument: int | None, meaning: Any) -> None:
    machine.push(None)
    machine.stack[-3:] = [None, *machine.stack[-3:-1]]
    _store_item(machine, argument, meaning)


# --- the stack itself


def _copy(machine: Machine, argument: int | None, meaning: Any) -> None:
    depth = argument or 1
    machine.push(machine.stack[-depth] if len(machine.stack) >= depth else None)


def _swap(machine: Machine, argument: int | None, meaning: Any) -> None:
    depth = argument or 1
    if len(machine.stack) >= depth:
        machine.stack[-1], machine.stack[-depth] = machine.stack[-depth], machine.stack[-1]


def _push_null(machine: Machine, argument: int | None, meaning: Any) -> None:
    machine.push(NULL)


def _copy_two(machine: Machine, argument: int | None, meaning: Any) -> None:
    machine.push(*machine.stack[-2:])


def _rotate(machine: Machine, argument: int | None, meaning: Any) -> None:
    depth = argument or 2
    if len(machine.stack) >= depth:
        machine.stack.insert(len(machine.stack) - depth, machine.stack.pop())


HANDLERS: dict[str, Callable[[Machine, int | None, Any], None]] = {
    "LOAD_CONST": _load_constant,
    "LOAD_SMALL_INT": _load_constant,
    "LOAD_GLOBAL": _load_name,
    "LOAD_NAME": _load_unshared_name,
    "LOAD_ATTR": _load_attribute,
    "LOAD_METHOD": _load_method,
    "LOAD_SUPER_ATTR": _load_super,
    "LOAD_SPECIAL": _load_special,
    "BINARY_SUBSCR": _load_item,
    "BINARY_OP": _operate,
    "BINARY_ADD": _arithmetic,
    "BINARY_SUBTRACT": _arithmetic,
    "BINARY_MULTIPLY": _arithmetic,
    "BINARY_TRUE_DIVIDE": _arithmetic,
    "BINARY_MODULO": _arithmetic,
    "FORMAT_VALUE": _format_value,
    "FORMAT_SIMPLE": _format,
    "CONVERT_VALUE": _format,
    "FORMAT_WITH_SPEC": _format_as,
    "BUILD_STRING": _build_text,
    "IS_OP": _compare_identity,
    "UNPACK_SEQUENCE": _unpack,
    "UNPACK_EX": _unpack,
    "JUMP_IF_TRUE_OR_POP": _test,
    "JUMP_IF_FALSE_OR_POP": _test,
    "TO_BOOL": _ask,
    "UNARY_NOT": _ask,
    "YIELD_VALUE": _hand_out,
    "BEFORE_WITH": _enter,
    "BEFORE_ASYNC_WITH": _enter,
    "SETUP_WITH": _enter,
    "GET_ITER": _iterate,
    "STORE_GLOBAL": _store_name,
    "STORE_NAME": _store_name,
    "STORE_ATTR": _store_attribute,
    "DELETE_ATTR": _delete_attribute,
    "STORE_SUBSCR": _store_item,
    "DELETE_SUBSCR": _delete_item,
    "COPY": _copy,
    "DUP_TOP": _copy,
    "DUP_TOP_TWO": _copy_two,
    "SWAP": _swap,
    "PUSH_NULL": _push_null,
    "ROT_TWO": lambda machine, argument, meaning: _rotate(machine, 2, None),
    "ROT_THREE": lambda machine, argument, meaning: _rotate(machine, 3, None),
    "ROT_FOUR": lambda machine, argument, meaning: _rotate(machine, 4, None),
    "ROT_N": _rotate,
    "PRECALL": lambda machine, argument, meaning: None,
    "CALL": opcalls.call,
    "CALL_FUNCTION": opcalls.call_function,
    "CALL_METHOD": opcalls.call_method,
    "CALL_FUNCTION_KW": opcalls.call_named,
    "CALL_KW": opcalls.call_named,
    "CALL_FUNCTION_EX": opcalls.call_spread,
    "KW_NAMES": opcalls.names_of_call,
    "IMPORT_NAME": opcalls.import_name,
    "IMPORT_FROM": opcalls.import_from,
    "MAKE_FUNCTION": opcalls.make_function,
    "SET_FUNCTION_ATTRIBUTE": opcalls.set_function_attribute,
    "RETURN_VALUE": opcalls.give_back,
    "RETURN_CONST": opcalls.give_back_constant,
    "RAISE_VARARGS": opcalls.raise_,
    "STORE_FAST_LOAD_FAST": _store_and_load,
    **dict.fromkeys(
        (
            *("LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_FAST_BORROW", "LOAD_FAST_AND_CLEAR"),
            *("LOAD_FAST_LOAD_FAST", "LOAD_FAST_BORROW_LOAD_FAST_BORROW", "LOAD_CLOSURE"),
        ),
        _load_local,
    ),
    **dict.fromkeys(("LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF"), _load_from_cell),
    **dict.fromkeys(
        ("STORE_FAST", "STORE_DEREF", "STORE_FAST_MAYBE_NULL", "STORE_FAST_STORE_FAST"),
        _store_local,
    ),
}
