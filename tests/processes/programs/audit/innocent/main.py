"""State arrives by argument, initializer, import, environment and import path."""

import collections
import dataclasses
import functools
import multiprocessing
import os
import re
import sys
import tempfile
from pathlib import Path

NUMBER = re.compile(r"\d+")
TOTALS = collections.Counter()
CURRENT = None


@dataclasses.dataclass(frozen=True)
class Config:
    scale: int = 1
    names: tuple = ()


DEFAULT = Config()


class Simulator:
    instances = 0
    step = 2

    def __init__(self, config):
        self.config = config
        Simulator.instances += 1

    def run(self, text):
        import late

        with counter.get_lock():
            counter.value += 1
        number = int(NUMBER.search(text).group())
        return number * self.config.scale * self.step, DEFAULT.scale, late.RATE, os.environ["APP"]


def start(shared):
    global counter
    counter = shared


def main():
    global CURRENT
    folder = tempfile.mkdtemp()
    Path(folder, "late.py").write_text("RATE = 5\n")
    sys.path.insert(0, folder)
    os.environ["APP"] = "x"
    CURRENT = Simulator(dataclasses.replace(DEFAULT, scale=3))
    TOTALS["made"] += 1
    context = multiprocessing.get_context(sys.argv[1])
    shared = context.Value("i", 0)
    with context.Pool(2, start, (shared,)) as pool:
        out = pool.map(functools.partial(CURRENT.run), ["a1", "b2"])
    print(out, shared.value, TOTALS["made"])


if __name__ == "__main__":
    main()
