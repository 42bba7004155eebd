"""A correct program: the initializer fills a module's globals with initargs; models load lazily."""

import multiprocessing as mp
import os
from concurrent.futures import ProcessPoolExecutor

import model

START = os.environ.get("START", "fork")

if __name__ == "__main__":
    ctx = mp.get_context(START)
    cfg = {"size": 3}
    model.setup(cfg)
    with ctx.Pool(2, initializer=model.setup, initargs=(cfg,)) as pool:
        out = pool.map(model.predict, range(4))
    with ProcessPoolExecutor(2, mp_context=ctx, initializer=model.setup, initargs=(cfg,)) as ex:
        out2 = list(ex.map(model.predict, range(4)))
    print(f"RESULT: {'OK' if out == out2 == [0, 3, 6, 9] else 'BAD'} {out}")
