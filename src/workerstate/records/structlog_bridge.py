"""structlog in workers: it sits on stdlib logging, so what remains is its configuration.

Events arrive as the mappings they are, so a ``ProcessorFormatter`` of the parent renders them.
structlog's default configuration prints instead of logging; ``stdio`` carries that.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def capture() -> dict[str, Any] | None:
    """Give what ``structlog.configure`` was called with; None if it is not imported or not called.

    Its values pickle if the processors do; lambdas and local functions don't.
    """
    structlog = sys.modules.get("structlog")
    if structlog is None or not structlog.is_configured():
        return None
    return dict(structlog.get_config())


def apply(config: Mapping[str, Any] | None) -> None:
    """Configure structlog in this worker as ``capture`` found it in the parent.

    Loggers that have cached their configuration keep it (``cache_logger_on_first_use``).
    """
    if config is not None:
        import structlog

        structlog.configure(**config)


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
