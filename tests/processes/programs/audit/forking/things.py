"""What is one process's own, and what its makers put right after a fork."""

import io
import os
import tempfile
import threading

NAME = f"host-{os.getpid()}"
HOST = "host-1"
space = None
report = None
flushed = None
index = None
memory = io.TextIOWrapper(io.BytesIO())
safe = threading.Lock()
unsafe = threading.Lock()


def names(value):
    return NAME, HOST, value


def renew():
    global space
    space = tempfile.TemporaryDirectory()


def in_space(value):
    return os.path.isdir(space.name), value


def to_report(value):
    report.write(f"{value}\n")
    report.flush()
    return value


def to_flushed(value):
    flushed.write(f"{value}\n")
    flushed.flush()
    return value


def by_place(value):
    return os.pread(index.fileno(), 1, value)


def by_position(value):
    index.seek(value)
    return index.read(1)


def under_safe(value):
    with safe:
        return value


def under_unsafe(value):
    with unsafe:
        return value


def hold():
    while True:
        with safe:
            pass
        with unsafe:
            pass


def reset():
    global safe
    safe = threading.Lock()


os.register_at_fork(after_in_child=reset)
