"""A plugin is loaded by hand: no import would find its file."""

import importlib.util
import multiprocessing
import sys
from pathlib import Path

import base


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


if __name__ == "__main__":
    load(Path(__file__).parent / "extra" / "roman.py")
    with multiprocessing.get_context(sys.argv[1]).Pool(1) as pool:
        print(pool.map(base.run, ["upper", "number"]))
