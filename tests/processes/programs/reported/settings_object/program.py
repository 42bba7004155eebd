"""A settings object is changed in main; a module has imported it by name."""

import multiprocessing as mp
import os
from concurrent.futures import ProcessPoolExecutor

import settings
import views

START = os.environ.get("START", "fork")


def make_pool(n):
    if START == "loky":
        from loky import get_reusable_executor

        return get_reusable_executor(max_workers=n)
    return ProcessPoolExecutor(n, mp_context=mp.get_context(START))


if __name__ == "__main__":
    settings.CFG.debug = True
    settings.CFG.extra["x"] = 1
    settings.MODE = settings.Mode.SAFE
    with make_pool(2) as pool:
        out = list(pool.map(views.show, range(2)))
    print(f"RESULT: {'OK' if out == [(True, {'x': 1}, 'SAFE')] * 2 else 'BAD'} {out[0]}")
