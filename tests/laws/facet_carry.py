"""Set every facet's state here, carry the settings to one worker, print what differs there.

Usage: python facet_carry.py fork|spawn|forkserver|loky; test_facets_in_workers.py says what must
come out: for each facet the keys that differ in the worker, before and after applying.
"""

from __future__ import annotations

import importlib.util
import json
import sys

import facet_states

LIBRARIES = {"native_threads": "threadpoolctl", "sklearn": "sklearn", "matplotlib": "matplotlib"}


def carried():
    """Give the facets whose state can be carried, and whose library is installed."""
    for name in facet_states.STATES:
        if importlib.util.find_spec(LIBRARIES.get(name, "os")) is not None:
            yield name


def main(method):
    """Print, as JSON, the keys that differ in a worker of this start method."""
    settings = {}
    for name in carried():
        facet_states.prepare(name)
        facet_states.set_state(name)
    for name in carried():
        settings[name] = facet_states.settings_of(name)
    if method == "loky":
        from loky import get_reusable_executor

        with get_reusable_executor(max_workers=1) as executor:
            found = executor.submit(facet_states.carry, settings).result(timeout=90)
    else:
        import multiprocessing

        context = multiprocessing.get_context(method)
        receiver, sender = context.Pipe(duplex=False)
        worker = context.Process(target=facet_states.send, args=(sender, settings))
        worker.start()
        sender.close()
        found = receiver.recv()
        worker.join()
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
