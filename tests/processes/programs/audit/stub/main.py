"""Modules stand in sys.modules that no import could find."""

import multiprocessing
import sys
import types


def measure(number):
    try:
        import driver
    except ImportError as error:
        return str(error)
    return driver.read(number)


if __name__ == "__main__":
    sys.modules["driver"] = types.ModuleType("driver")
    sys.modules["driver"].read = str
    sys.modules["unused"] = types.ModuleType("unused")
    with multiprocessing.get_context(sys.argv[1]).Pool(1) as pool:
        print(pool.map(measure, [1]))
