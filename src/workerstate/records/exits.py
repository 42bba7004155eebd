"""When to stop at the parent's exit: after its workers have ended, before its handlers close."""

from __future__ import annotations

import atexit
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def before_handlers_close(call: Callable[[], None]) -> Callable[[], None]:
    """Have ``call`` called at exit, and give what takes that back.

    multiprocessing joins its workers in an exit function that it registers when imported, and
    logging closes the handlers in another. Exit functions run last in, first out, so if
    multiprocessing was imported first, the handlers are closed while workers still log. Therefore
    its function is registered once more, after logging's; ``multiprocessing.util.get_logger`` does
    the same for the same reason. Its finalizers of negative priority run after the join.
    """
    util = sys.modules.get("multiprocessing.util")
    if util is None:
        # Should it be imported later, its function will run, and join, before this one.
        atexit.register(call)
        return lambda: atexit.unregister(call)
    atexit.unregister(util._exit_function)
    atexit.register(util._exit_function)
    cancel: Callable[[], None] = util.Finalize(None, call, exitpriority=-100).cancel
    return cancel
