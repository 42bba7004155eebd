"""What forked workers have a copy of: a buffer, a handler, a directory, a lock, a position."""

import multiprocessing
import signal
import sys
import tempfile
import threading

import things


def stop(number, frame):
    sys.exit(0)


def plain(value):
    return value


def careful():
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


if __name__ == "__main__":
    method, kind = sys.argv[1:]
    initializer = None
    folder = tempfile.mkdtemp()
    task = {
        "pid": things.names,
        "directory": things.in_space,
        "same directory": things.in_space,
        "buffer": things.to_report,
        "flushed": things.to_flushed,
        "pread": things.by_place,
        "read": things.by_position,
        "reset": things.under_safe,
        "held": things.under_unsafe,
        "handler": plain,
        "own handler": plain,
    }[kind]
    if "directory" in kind:
        things.renew()
        initializer = things.renew if kind == "directory" else None
    if kind in ("buffer", "flushed"):
        things.report = open(f"{folder}/report", "a")
        things.flushed = open(f"{folder}/flushed", "a")
        for file in (things.report, things.flushed):
            file.write("begun\n")
        things.flushed.flush()
    if kind in ("pread", "read"):
        with open(f"{folder}/index", "wb") as file:
            file.write(b"0123456789")
        things.index = open(f"{folder}/index", "rb")
    if "handler" in kind:
        signal.signal(signal.SIGTERM, stop)
        initializer = careful if kind == "own handler" else None
    if kind in ("reset", "held"):
        threading.Thread(target=things.hold, daemon=True).start()
    with multiprocessing.get_context(method).Pool(1, initializer) as pool:
        try:
            print(pool.map_async(task, [1, 2]).get(2))
        except multiprocessing.TimeoutError:
            print("no answer")
