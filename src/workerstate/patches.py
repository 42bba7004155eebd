"""Sends what pickle refuses of a patched program: functions without a name, and mocks.

A lambda, or a function defined inside another, is sent as its code; it finds its globals in the
worker's copy of its module. A mock is sent as how it was made: its class, names, return values and
side effects; what it has been called with stays with the parent.
"""

from __future__ import annotations

import io
import pickle
import sys
from types import FunctionType

from workerstate.arriving import fill_function, make_function
from workerstate.program import reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_MOST_FREE = 20
_OWN = ("_mock_", "_spec_", "method_calls")


def dumps(value: object) -> bytes:
    """Pickle ``value``, with functions and mocks in it that pickle alone would refuse.

    Raises:
        Exception: what pickle raises for the rest.
    """
    buffer = io.BytesIO()
    _Pickler(buffer, 4).dump(value)
    return buffer.getvalue()


class _Pickler(pickle.Pickler):
    """Pickles by name what has one, as pickle does."""

    def reducer_override(self, value: Any) -> Any:
        """Say how to send what is no plain value; the rest goes as it always does."""
        kind = type(value)
        if kind is FunctionType:
            return NotImplemented if reference(value) is not None else _of_function(value)
        mock: Any = sys.modules.get("unittest.mock")
        if mock is not None and isinstance(value, mock.NonCallableMock):
            return _of_mock(mock, value)
        return NotImplemented


def _of_function(function: FunctionType) -> Any:
    import marshal

    closure = function.__closure__ or ()
    if len(closure) > _MOST_FREE:
        raise pickle.PicklingError(f"{function.__qualname__} holds too much of what is around it")
    code, home, name = function.__code__, function.__module__, function.__name__
    made = (marshal.dumps(code), home, len(closure), name, function.__qualname__)
    cells = [(cell.cell_contents,) for cell in closure]
    state: Any = (function.__defaults__, function.__kwdefaults__, {}, {}, cells, {}, [])
    return make_function, made, state, None, None, fill_function


def _of_mock(mock: Any, value: Any) -> Any:
    state = vars(value)
    known = [kind for kind in type(value).__mro__ if vars(mock).get(kind.__name__) is kind]
    options = {
        "name": state.get("_mock_name"),
        "spec": state.get("_spec_class"),
        "wraps": state.get("_mock_wraps"),
        "side_effect": state.get("_mock_side_effect"),
    }
    if state.get("_mock_return_value") is not mock.DEFAULT:
        options["return_value"] = state["_mock_return_value"]
    children = {k: v for k, v in state.get("_mock_children", {}).items() if v is not mock._deleted}
    plain = {name: held for name, held in state.items() if not name.startswith(_OWN)}
    given = {name: option for name, option in options.items() if option is not None}
    return make_mock, (known[0].__name__, given), (children, plain), None, None, fill_mock


def make_mock(kind: str, options: Mapping[str, Any]) -> Any:
    """Make a mock that answers as the parent's does."""
    from unittest import mock

    return getattr(mock, kind)(**options)


def fill_mock(value: Any, state: tuple[Mapping[str, Any], Mapping[str, Any]]) -> None:
    """Give a mock the children and attributes that the parent's has."""
    children, plain = state
    value._mock_children.update(children)
    vars(value).update(plain)
