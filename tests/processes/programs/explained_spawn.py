"""What explain predicts for multiprocessing, and what a spawned worker did: JSON on stdout."""

import functools
import json
import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor

from workerstate.explaining.task import explain_for


def uses_late():
    import late

    return late.f()


def plain(*args):
    return 1


def predict(task, args):
    """Say when which module is imported, and what a worker can't have."""
    (shipping,) = explain_for(["multiprocessing"], task, args).as_dict()["shippings"]
    here = os.path.dirname(__file__)
    rows = {
        row["module"]: row["when"]
        for row in shipping["imports"]
        if row["module"] == "__main__" or os.path.exists(os.path.join(here, row["module"] + ".py"))
    }
    return {"when": rows, "refused": [refusal["error"] for refusal in shipping["refusals"]]}


def happened(task, args):
    """Run the task in a worker of its own; give when our modules were imported, and the result."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        try:
            result = str(pool.submit(task, *args).result())
        except Exception as error:
            result = type(error).__name__
    return result


if __name__ == "__main__":
    import copied

    def under_the_guard():
        return 1

    import tasks

    told = {}
    for name, task, args in (
        ("function", tasks.f, ()),
        ("partial", functools.partial(tasks.f, 1), ()),
        ("method", tasks.K().m, ()),
        ("argument", plain, (copied.K(),)),
        ("of main", plain, ()),
        ("late", uses_late, ()),
        ("under the guard", under_the_guard, ()),
        ("lambda", lambda: 1, ()),
    ):
        predicted = predict(task, args)
        with open("moments", "w"):
            pass
        result = happened(task, args)
        with open("moments") as file:
            moments = dict(line.split() for line in file)
        told[name] = {"predicted": predicted, "happened": moments, "result": result}
    print(json.dumps(told), file=sys.stdout)
