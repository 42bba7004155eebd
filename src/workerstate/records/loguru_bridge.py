"""loguru in workers: its records travel as stdlib records and enter the parent's loguru again.

    loguru_bridge.install()      # in a worker, after sender.install(address)

Where the parent has no loguru, they stay stdlib records and go to its stdlib handlers.
"""

from __future__ import annotations

import logging
import sys

from workerstate.records import fallback, sender

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# What a loguru record has and a stdlib one hasn't; each key of its extra as an attribute of its
# own, so that one that doesn't pickle doesn't cost the others.
MARK = "_loguru"
_EXTRA = "_loguru."


class WorkerTracebackError(Exception):
    """The worker's traceback as text, shown as the cause of an exception that came without one."""


def install(*, level: int = 0) -> bool:
    """Send this worker's loguru records to the parent, in place of all sinks loguru has here.

    Args:
        level: records below it aren't sent; ``lowest_level()`` in the parent gives the fitting one.

    Returns:
        Whether there was anything to do: the program has imported loguru, and ``sender.install``
        has been called here.
    """
    loguru = sys.modules.get("loguru")
    if loguru is None or sender.current() is None:
        return False
    send_by_name()
    loguru.logger.remove()
    loguru.logger.add(_send, level=level, format="{message}", catch=False, backtrace=False)
    return True


def lowest_level() -> int:
    """Give the lowest level that one of this process's loguru sinks takes; 0 if it isn't known."""
    loguru = sys.modules.get("loguru")
    core = getattr(getattr(loguru, "logger", None), "_core", None)
    level = getattr(core, "min_level", 0)
    return int(level) if isinstance(level, int) else 0


def send_by_name() -> None:
    """Have every pickler of this process send loguru's logger as its name, and what was bound.

    It would go with its sinks otherwise, which hold files. Who has a way of his own keeps it.
    """
    import copyreg

    logger = getattr(sys.modules.get("loguru"), "logger", None)
    if logger is not None:
        copyreg.dispatch_table.setdefault(type(logger), reduced)


def reduced(logger: Any) -> Any:
    """Give how a logger is pickled by name: as this process's own, with its options."""
    own: Any = sys.modules["loguru"].logger
    if logger._core is not own._core or _goes_whole(logger):
        return logger.__reduce_ex__(4)
    return derived, () if logger is own else (logger._options,)


def _goes_whole(logger: Any) -> bool:
    """Tell whether a program hands its sinks to a process that it starts, as loguru's manual says.

    Those have been added with ``enqueue=True``, and go to a process as it is started only.
    """
    context: Any = sys.modules.get("multiprocessing.context")
    if context is None or context.get_spawning_popen() is None:
        return False
    handlers = logger._core.handlers.values()
    return bool(handlers) and all(getattr(each, "_enqueue", False) for each in handlers)


def derived(*options: Any) -> Any:
    """Give this process's logger, or what ``bind``, ``opt`` or ``patch`` makes of it."""
    from loguru import logger

    own: Any = logger
    return type(own)(own._core, *options[0]) if options else own


def reenter(record: logging.LogRecord) -> bool:
    """Log ``record`` with this process's loguru; False where the program hasn't imported it."""
    loguru = sys.modules.get("loguru")
    if loguru is None:
        return False
    logger = loguru.logger.opt(exception=_exception(record))
    try:
        level: str | int = loguru.logger.level(record.levelname).name
    except ValueError:  # a level that only the worker has defined
        level = record.levelno
    logger.patch(lambda found: _restore(found, record)).log(level, record.msg)
    return True


def _send(message: Any) -> None:
    found: dict[str, Any] = message.record
    exception = found["exception"]
    record = logging.LogRecord(
        str(found["name"]),
        found["level"].no,
        found["file"].path,
        found["line"],
        found["message"],
        (),
        None if exception is None else (exception.type, exception.value, exception.traceback),
        found["function"],
    )
    fields = record.__dict__
    fields["levelname"] = found["level"].name
    fields["created"] = found["time"].timestamp()
    fields["msecs"] = found["time"].microsecond // 1000 + 0.0
    fields["thread"], fields["threadName"] = found["thread"].id, found["thread"].name
    fields["process"], fields["processName"] = found["process"].id, found["process"].name
    fields[MARK] = (found["time"], found["elapsed"], found["level"].icon)
    for key, value in found["extra"].items():
        fields[_EXTRA + key] = value
    handler = sender.current()
    if handler is not None:
        handler.handle(record)
    else:
        fallback.write(record)


def _exception(record: logging.LogRecord) -> BaseException | None:
    """Give what loguru shows as the exception; tracebacks come as text, which it can't place."""
    if not record.exc_text:
        return None
    value = record.exc_info[1] if record.exc_info else None
    if value is None:
        return WorkerTracebackError(f"\n{record.exc_text}")
    value.__cause__ = WorkerTracebackError(f"\n{record.exc_text}")
    return value


def _restore(found: dict[str, Any], record: logging.LogRecord) -> None:
    """Give the record that loguru has made here what it was in the worker."""
    fields = record.__dict__
    if not isinstance(fields[MARK], tuple):  # it didn't pickle: the time is this process's, then
        return
    found["time"], found["elapsed"], icon = fields[MARK]
    found["level"] = type(found["level"])(record.levelname, record.levelno, icon)
    found["file"] = type(found["file"])(record.filename, record.pathname)
    found["process"] = type(found["process"])(record.process, record.processName)
    found["thread"] = type(found["thread"])(record.thread, record.threadName)
    found["name"], found["function"] = record.name, record.funcName
    found["module"], found["line"] = record.module, record.lineno
    worker = {k[len(_EXTRA) :]: v for k, v in fields.items() if k.startswith(_EXTRA)}
    found["extra"] = {**found["extra"], **worker}
