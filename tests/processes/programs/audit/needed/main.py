"""What a task makes when it needs it: fine, unless the parent has set more on its own."""

import multiprocessing
import sys

import conf

TASKS = {"singleton": conf.of_singleton, "cache": conf.of_cache, "table": conf.of_table}

if __name__ == "__main__":
    method, kind, change = sys.argv[1:]
    # Made, used and counted in the parent, too.
    print(TASKS[kind](1))
    if change == "changed":
        conf.Settings.get().load({"places": 1})
        conf.cached().load({"places": 1})
        conf.table()["a"] = 100
    with multiprocessing.get_context(method).Pool(1) as pool:
        print(pool.map(TASKS[kind], [2, 5]))
