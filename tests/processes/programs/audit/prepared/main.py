"""The initializer makes what the tasks use: of what it is given, or of what its worker has."""

import multiprocessing
import sys

import device

GIVEN = {
    "setting": "mm",
    "own setting": "mm",
    "global": "mm",
    "names": {"SCALE": 3},
    "table": {"SCALE": 3},
    "keys": {"SCALE": 3},
    "afresh": "mm",
}

if __name__ == "__main__":
    method, kind = sys.argv[1:]
    if "setting" in kind:
        device.Settings.configure(unit="mm", digits=2)
    elif kind == "afresh":
        device.connection = device.Connection()
    else:
        device.SCALE = 3
    initializer = getattr(device, ("" if kind == "afresh" else "by_") + kind.replace(" ", "_"))
    with multiprocessing.get_context(method).Pool(1, initializer, (GIVEN[kind],)) as pool:
        print(pool.map(device.read, [1, 2]))
