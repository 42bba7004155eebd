"""A handler is made under the guard, and is known by the table of handlers alone."""

import multiprocessing
import sys

import events

if __name__ == "__main__":

    @events.on("start")
    def hello():
        return "hello"

    with multiprocessing.get_context(sys.argv[1]).Pool(1) as pool:
        print(pool.map(events.emit, ["start"]))
