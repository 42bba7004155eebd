"""A local function is the target of a process; an exception can't be rebuilt; a branch on fork."""

import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor


class ApiError(Exception):
    def __init__(self, status, message):
        super().__init__(f"{status} {message}")


def fetch(number):
    raise ApiError(503, "busy")


def width():
    return 2 if multiprocessing.get_start_method() == "fork" else 1


def main():
    multiprocessing.set_start_method(sys.argv[1])

    def work():
        pass

    try:
        process = multiprocessing.Process(target=work)
        process.start()
        process.join()
        print(process.exitcode)
    except Exception:
        print("not started")
    with ProcessPoolExecutor(width()) as pool:
        print(type(pool.submit(fetch, 1).exception()).__name__)


if __name__ == "__main__":
    main()
