"""What a record carries besides its message: extras, exception, stack, and a message that is data.

Nothing here may cost the record: what doesn't pickle in the worker becomes its ``repr``, and what
the parent can't load becomes a text that says so.
"""

from __future__ import annotations

import logging
import marshal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    Packed = tuple[str, bytes]

_plain: Any = logging.LogRecord
# What a record has that no factory of the program's has made, and of which nothing is known.
BARE: Mapping[str, Any] = vars(_plain(None, None, "", 0, "", (), None, None))

# message and asctime are left by a Formatter, which makes them again in the parent.
_NOT_EXTRA = frozenset(BARE) | {"message", "asctime"}

# Only these exact types go through marshal: of whatever has a buffer (numpy's numbers and arrays)
# it would silently make bytes.
_PLAIN = frozenset({str, int, float, bool, bytes, type(None)})

_formatter = logging.Formatter()


def pack(fields: Mapping[str, Any], text: str) -> bytes:
    """Put the message and all that ``fields`` hold besides it into bytes."""
    plain: dict[str, object] = {}
    packed: dict[str, Packed] = {}
    for key, value in fields.items():
        if key in _NOT_EXTRA:
            continue
        if type(value) in _PLAIN:
            plain[key] = value
        else:
            _add(key, value, plain, packed)
    task = fields.get("taskName")  # Python 3.12; set only inside asyncio
    if task:
        plain["taskName"] = str(task)
    message = fields["msg"]
    if type(message) is dict:  # structlog and JSON formatters look at the mapping itself
        _add_event(message, packed)
    stack = fields["stack_info"]
    return marshal.dumps(
        (
            text,
            _exception_text(fields),
            None if stack is None else str(stack),
            _exception(fields["exc_info"]),
            plain or None,
            packed or None,
        ),
        4,
    )


def unpack(fields: dict[str, Any], body: bytes) -> None:
    """Put what ``pack`` made into the fields of a record; the opposite of ``pack``."""
    text, exc_text, stack, exception, plain, packed = marshal.loads(body)
    fields["msg"] = text
    fields["exc_text"] = exc_text
    fields["stack_info"] = stack
    if exception is not None:
        fields["exc_info"] = _loaded_exception(exception)
    if plain is not None:
        fields.update(plain)
    if packed is not None:
        import pickle

        for key, (kind, data) in packed.items():
            try:
                fields[key] = pickle.loads(data)
            except Exception as error:
                if key != "msg":
                    fields[key] = f"<{kind} that can't be loaded here: {_said(error)}>"


def _add(key: str, value: object, plain: dict[str, object], packed: dict[str, Packed]) -> None:
    import pickle

    try:
        packed[key] = (_name(type(value)), pickle.dumps(value, 5))
    except Exception:
        try:
            plain[key] = str(repr(value))
        except Exception as error:
            plain[key] = f"<{_name(type(value))} whose repr failed: {_said(error)}>"


def _add_event(event: dict[str, object], packed: dict[str, Packed]) -> None:
    """Keep a message that is a mapping, with the values that don't pickle as text."""
    import pickle

    from workerstate.records.structlog_bridge import settle_exception

    event = settle_exception(event)
    _add("msg", event, {}, packed)
    if "msg" not in packed:
        texts: dict[str, object] = {}
        parts: dict[str, Packed] = {}
        for key, value in event.items():
            _add(str(key), value, texts, parts)
        texts.update((key, pickle.loads(data)) for key, (_, data) in parts.items())
        _add("msg", texts, {}, packed)


def _exception_text(fields: Mapping[str, Any]) -> str | None:
    text, info = fields["exc_text"], fields["exc_info"]
    if text or not info:
        return None if text is None else str(text)
    try:
        return _formatter.formatException(info)
    except Exception as error:
        return f"(the traceback can't be told: {_said(error)})"


def _exception(info: object) -> bytes | None:
    """Pickle the exception; its traceback can't be and goes as text only."""
    if not isinstance(info, tuple) or len(info) != 3:
        return None
    import pickle

    try:
        return pickle.dumps(info[1], 5)
    except Exception:
        return None


def _loaded_exception(data: bytes) -> tuple[object, object, None] | None:
    """Load an exception; many pickle and don't load (cpython#76877), so None is common."""
    import pickle

    try:
        value = pickle.loads(data)
    except Exception:
        return None
    return (None if value is None else type(value), value, None)


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _said(error: Exception) -> str:
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:
        return type(error).__name__
