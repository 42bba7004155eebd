"""Plug-ins register themselves when main imports them."""

import importlib
import multiprocessing
import sys

import pipeline

if __name__ == "__main__":
    importlib.import_module("plugin")
    with multiprocessing.get_context(sys.argv[1]).Pool(1) as pool:
        print(pool.map(pipeline.known, ["upper", "strip", "Upper", "Strip"]))
