"""A Process subclass whose run() reads a module flag set on the command line."""

import multiprocessing as mp
import os

START = os.environ.get("START", "fork")

DEBUG = False
LIMITS = {"batch": 8}


class Consumer(mp.get_context(START).Process):
    def __init__(self, q, out):
        super().__init__()
        self.q, self.out = q, out

    def run(self):
        while (item := self.q.get()) is not None:
            self.out.put((item, DEBUG, LIMITS["batch"]))


if __name__ == "__main__":
    DEBUG = True
    LIMITS["batch"] = 64
    ctx = mp.get_context(START)
    q, out = ctx.Queue(), ctx.Queue()
    ps = [Consumer(q, out) for _ in range(2)]
    for p in ps:
        p.start()
    for i in range(4):
        q.put(i)
    for _ in ps:
        q.put(None)
    got = sorted(out.get(timeout=10) for _ in range(4))
    for p in ps:
        p.join()
    print(f"RESULT: {'OK' if all(g[1:] == (True, 64) for g in got) else 'BAD'} {got[0]}")
