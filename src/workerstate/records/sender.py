"""The worker's side: one handler in the place of all others, so that the parent's stay the writers.

    sender.install(address)      # address: from the parent's hub.shared().address()

Under fork the worker has inherited the parent's handlers and would write to its files as well;
under the other start methods it has none. Either way it has exactly one afterwards.
"""

from __future__ import annotations

import logging
import os
import sys

from workerstate.records.link import Link

TYPE_CHECKING = False
if TYPE_CHECKING:
    from workerstate.records.link import OnFull
    from workerstate.records.rendezvous import Address

    Replaced = list[tuple[logging.Logger, list[logging.Handler]]]


class ForwardHandler(logging.Handler):
    """Sends each record to the parent before ``handle`` returns.

    A record logged by a signal handler while another is on its way is sent at once, not queued:
    the handler may be about to end the process. The filters of this handler run in the worker, so
    that is the place for one that reads context variables that aren't carried; those of loggers run
    in both processes if the worker has them, those of the parent's handlers in the parent only.
    """

    def __init__(self, link: Link) -> None:
        super().__init__()
        self.link = link

    def handle(self, record: logging.LogRecord) -> bool:
        """Send ``record``, as ``Handler.handle`` does but for its lock: see ``link``."""
        if self.filters:
            passed = self.filter(record)
            if not passed:
                return False
            if isinstance(passed, logging.LogRecord):  # Python 3.12: a filter may replace it
                record = passed
        self.emit(record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        """Send ``record``; an error in rendering its message is reported as by any handler."""
        self.link.send(record, self.handleError)

    def flush(self) -> None:
        """Tell the parent about dropped records; there is nothing else that waits."""
        self.link.tell_drops()


_handler: ForwardHandler | None = None
_replaced: Replaced = []
_hooked = False


def install(address: Address, *, on_full: OnFull = "block") -> bool:
    """Send this process's records to the hub at ``address`` from here on.

    Every handler of the root logger and of any other is taken off; the root logger and those that
    don't propagate get the one that sends. Levels, filters and ``propagate`` stay as they are. May
    be called again, after a library has added handlers of its own, say. In the hub's own process
    (threads, ``inline``) it does nothing.

    Args:
        address: the hub's.
        on_full: ``"block"``: logging waits while the parent doesn't keep up, so nothing is lost;
            ``"drop"``: it never waits, and the parent logs how many records it didn't get.

    Returns:
        Whether the records reach the parent. If not (it has gone, or stopped its hub), they go to
        stderr.

    Raises:
        ValueError: ``on_full`` is neither.
    """
    global _handler
    if on_full not in ("block", "drop"):
        raise ValueError(f"on_full must be 'block' or 'drop', not {on_full!r}")
    if here(address):
        return True
    link = _handler.link if _handler is not None else None
    if link is None or link.gone or link.address != address or link.on_full != on_full:
        link = Link(address, on_full)
    connected = link.open()
    old = _handler
    if old is None or old.link is not link:
        _handler = ForwardHandler(link)
        _hook_fork()
        if address.pid == os.getpid():
            _end_with_interpreter()
    assert _handler is not None
    _take_over(_handler)
    if old is not None and old is not _handler:
        old.link.close()
        old.close()
    return connected


def uninstall() -> None:
    """Put back the handlers that ``install`` took off, and close the way to the parent."""
    global _handler
    handler, _handler = _handler, None
    if handler is None:
        return
    for logger, handlers in _replaced:
        for each in handlers:
            logger.addHandler(each)
    _replaced.clear()
    for logger in _loggers():
        logger.removeHandler(handler)
    handler.link.close()
    handler.close()


def current() -> ForwardHandler | None:
    """Give the handler that ``install`` put in, for bridges of other logging libraries."""
    return _handler


def here(address: Address) -> bool:
    """Tell whether the hub is in this very interpreter, so that nothing need be sent."""
    hub = sys.modules.get("workerstate.records.hub")
    return hub is not None and address.pid == os.getpid() and bool(hub.owns(address))


def _take_over(handler: ForwardHandler) -> None:
    """Attach ``handler`` first and take the others off then: twice is better than not at all."""
    for logger in _loggers():
        if (logger is logging.root or not logger.propagate) and handler not in logger.handlers:
            logger.addHandler(handler)
        others = [each for each in logger.handlers if not isinstance(each, ForwardHandler)]
        if others:
            _replaced.append((logger, others))
        for each in list(logger.handlers):
            if each is not handler:
                logger.removeHandler(each)


def _loggers() -> list[logging.Logger]:
    known = list(logging.root.manager.loggerDict.values())
    return [logging.root, *(each for each in known if isinstance(each, logging.Logger))]


def _end_with_interpreter() -> None:
    """Close the pipe when this subinterpreter ends (Python 3.14); no process ends with it."""
    import atexit

    atexit.unregister(uninstall)
    atexit.register(uninstall)


def _hook_fork() -> None:
    global _hooked
    if not _hooked:
        _hooked = True
        os.register_at_fork(after_in_child=_after_fork)


def _after_fork() -> None:
    if _handler is not None:
        _handler.link.forget()
