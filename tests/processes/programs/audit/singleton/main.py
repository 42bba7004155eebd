"""A singleton is filled by main; tables are made by whoever needs them first."""

import multiprocessing
import sys

import config
import tables

if __name__ == "__main__":
    config.Config.get().batch = 64
    tables.distance("rome")
    with multiprocessing.get_context(sys.argv[1]).Pool(1) as pool:
        print(pool.map(tables.distance, ["rome", "oslo"]))
