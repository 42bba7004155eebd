"""structlog in workers: it sits on stdlib logging, so its events travel as stdlib records.

Events arrive as the mappings they are, so a ``ProcessorFormatter`` of the parent renders them.
structlog's default configuration prints instead of logging; ``stdio`` carries that.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def settle_exception(event: dict[str, Any]) -> dict[str, Any]:
    """Render an event's ``exc_info`` while its traceback is at hand.

    As ``structlog.processors.format_exc_info`` does; the parent could only find its own.
    """
    info = event.get("exc_info")
    if not info:
        return event
    import logging

    if isinstance(info, BaseException):
        info = (type(info), info, info.__traceback__)
    elif not isinstance(info, tuple):
        info = sys.exc_info()
    rest = {key: value for key, value in event.items() if key != "exc_info"}
    if "exception" not in rest:
        rest["exception"] = logging.Formatter().formatException(info)
    return rest
