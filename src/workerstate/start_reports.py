"""What workers tell the parent about their start, and the folder through which they do.

The folder (mode 0700) crosses every start method, as no inherited descriptor does. In it, each
fleet (the workers of one pool) has a directory with two files per worker number: ``<number>``, on
which the worker holds a lock for as long as it lives, and ``<number>.start``, what it told last.
Carried settings lie beside, by their fingerprint.
"""

from __future__ import annotations

import os
import time
from _thread import allocate_lock, get_ident

from workerstate.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from workerstate.errors import WorkerStartError

PREFIX = "workerstate-start-"
STARTING, STARTED, FAILED = "starting", "started", "failed"
STOPPED, ENDED = "stopped", "ended"
_OWNER = "owner"
_WAIT = 2.0  # seconds for the number of a worker that is about to end, where the size is known


class StartReport(Value):
    """What one worker told about its start.

    Fields:
        number: from 0; that of a worker that has ended goes to its successor.
        pid: the worker's.
        start_method: how it was started; ``thread`` and ``inline`` are in the parent's process.
        state: ``starting``, ``started``, ``failed``, ``stopped`` (by a signal, before it had
            started) or ``ended``; one that is killed tells nothing any more.
        step: what it was about to do, where it has not started.
        began: seconds since the epoch.
        seconds: how long the start took.
        verified: per facet, how many settings were read back equal.
        notes: what was left out, and why.
        failure: what went wrong.
        attempt: how many workers in a row died while starting, this one included.
        ordinal: how many workers had this number before.
        died: process id and step of the one before, if it died while starting.
    """

    number: int
    pid: int
    start_method: str
    state: str
    step: str
    began: float
    seconds: float
    verified: Mapping[str, int]
    notes: tuple[str, ...] = ()
    failure: WorkerStartError | None = None
    attempt: int = 1
    ordinal: int = 0
    died: tuple[int, str] | None = None


_folder: tuple[int, str] | None = None
_making = [allocate_lock()]
_held: list[int] = []  # descriptors whose locks last as long as this process


def folder() -> str:
    """Give this process's folder; made when first asked for, removed when the process ends."""
    if _folder is None or _folder[0] != os.getpid():
        with _making[0]:
            if _folder is None or _folder[0] != os.getpid():
                _make_folder()
    assert _folder is not None
    return _folder[1]


def _make_folder() -> None:
    global _folder
    import tempfile

    from workerstate.records.exits import before_handlers_close

    place = tempfile.gettempdir()
    _remove_stale(place)
    # Under its final name only once it is locked, so that nobody takes it for a stale one.
    new = tempfile.mkdtemp(prefix=f"new-{PREFIX}{os.getpid()}-", dir=place)
    owner = os.open(os.path.join(new, _OWNER), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    _lock(owner)
    _held.append(owner)
    path = os.path.join(place, os.path.basename(new).removeprefix("new-"))
    os.rename(new, path)
    if _folder is None:
        os.register_at_fork(after_in_child=_after_fork)
    _folder = (os.getpid(), path)
    before_handlers_close(_at_exit)


def _after_fork() -> None:
    _making[0] = allocate_lock()


def is_own(path: str) -> bool:
    """Tell whether that is the folder of this very process and interpreter."""
    return _folder is not None and _folder[0] == os.getpid() and _folder[1] == path


def _at_exit() -> None:
    if _folder is not None and _folder[0] == os.getpid():
        _remove(_folder[1])


def _remove(path: str) -> None:
    import shutil

    shutil.rmtree(path, ignore_errors=True)


def _remove_stale(place: str) -> None:
    """Remove the folders of processes that were killed."""
    try:
        entries = [each for each in os.scandir(place) if each.name.startswith(PREFIX)]
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith(
            f"{PREFIX}{os.getpid()}-"
        ):  # another interpreter's in this process
            continue
        try:
            own = entry.stat(follow_symlinks=False).st_uid == os.geteuid()
            if not own or not entry.is_dir(follow_symlinks=False):
                continue
        except OSError:
            continue
        remove_if_left(entry.path)


def remove_if_left(path: str) -> None:
    """Remove a folder if the process that made it was killed: nobody holds its owner's lock."""
    try:
        owner = os.open(os.path.join(path, _OWNER), os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if _lock(owner):
            _remove(path)
    finally:
        os.close(owner)


def _lock(fd: int) -> bool:
    """Lock a file until this process ends; a process forked from it doesn't hold the lock."""
    import fcntl

    try:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def claim_number(place: str, size: int | None, wanted: int | None = None) -> int:
    """Give the lowest number that no living worker of the fleet has, and hold it until the end.

    A replacement may start a moment before its predecessor has ended; where the fleet's ``size``
    is known, it waits for that rather than take a number that is too high. The ``wanted`` number,
    which a backend of its own mind has given, is taken if it is free.
    """
    os.makedirs(place, 0o700, exist_ok=True)
    deadline = time.monotonic() + _WAIT
    number = wanted or 0
    while True:
        fd = os.open(os.path.join(place, str(number)), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        if _lock(fd):
            _held.append(fd)
            return number
        os.close(fd)
        if time.monotonic() < deadline and _ends(place, number):
            time.sleep(0.001)
            continue
        if wanted is not None:
            number, wanted = -1, None
        number += 1
        if size is not None and number == size and time.monotonic() < deadline:
            number = 0
            time.sleep(0.005)


def _ends(place: str, number: int) -> bool:
    """Tell whether the worker of that number has told that it ends, and only its process hasn't."""
    last = read(place, number)
    return last is not None and last.state in (STOPPED, ENDED)


def settings_path(folder: str, fingerprint: str) -> str:
    """Give where the parent's settings of that fingerprint lie."""
    return os.path.join(folder, f"{fingerprint}.settings")


def write(place: str, report: StartReport) -> None:
    """Put a report in the place of the number's last one."""
    import pickle

    put(os.path.join(place, f"{report.number}.start"), pickle.dumps(report))


def put(path: str, data: bytes) -> None:
    """Write a file as a whole: who reads finds all of it, or what was there before."""
    partial = f"{path}.{os.getpid()}.{get_ident()}"
    flags = os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC
    try:
        fd = os.open(partial, flags, 0o600)
    except FileNotFoundError:  # the folder went when /tmp was cleaned
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
        fd = os.open(partial, flags, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
        os.replace(partial, path)
    except BaseException:
        os.unlink(partial)
        raise


def read(place: str, number: int) -> StartReport | None:
    """Give the last report of that number, or None."""
    import pickle

    try:
        with open(os.path.join(place, f"{number}.start"), "rb") as file:
            report = pickle.load(file)
    except FileNotFoundError:
        return None
    return report if isinstance(report, StartReport) else None


def read_all(place: str) -> list[StartReport]:
    """Give the last report of each number, in their order."""
    try:
        names = [name[:-6] for name in os.listdir(place) if name.endswith(".start")]
    except FileNotFoundError:
        return []
    found = [read(place, int(name)) for name in names if name.isdigit()]
    return sorted((each for each in found if each is not None), key=lambda each: each.number)
