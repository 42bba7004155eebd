"""A script with context variables of its own; prints what tasks find in them."""

from __future__ import annotations

import contextvars
import json
import sys
import threading

from workerstate import Executor, WorkerSpec

TENANT = contextvars.ContextVar("tenant", default="nobody's")
REQUEST: contextvars.ContextVar[str] = contextvars.ContextVar("request")


class Trace:
    """Holds a variable."""

    ID = contextvars.ContextVar("trace", default=0)


def look(_):
    """Give what the variables hold, and what one holds in a thread of the task's."""
    seen = []
    thread = threading.Thread(target=lambda: seen.append(TENANT.get()))
    thread.start()
    thread.join()
    return [TENANT.get(), REQUEST.get("unset"), Trace.ID.get(), *seen]


def main(method, *carry):
    """Run a task with the variables set, and one when they have been set back."""
    carry = [*carry, "__main__:Trace.ID"]
    with Executor(1, spec=WorkerSpec(carry=carry), start_method=method) as pool:
        pool.submit(look, 0).result(60)
        before = TENANT.set("acme"), REQUEST.set("r1"), Trace.ID.set(7)
        found = [pool.submit(look, 0).result(60)]
        for token in before:
            token.var.reset(token)
        found.append(pool.submit(look, 0).result(60))
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
