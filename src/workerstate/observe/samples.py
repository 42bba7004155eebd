"""A sample of each worker's tasks, kept so that they can be run again (`run --purity`).

A call is pickled before it runs, since it may change its arguments, and its result before it is
sent. What is large is left out. The first calls of a worker are kept, and then ever fewer: what
they left behind can be made again only if they are there.
"""

from __future__ import annotations

import os
import sys
from os import close as os_close
from os import open as os_open
from os import write as os_write

from workerstate.observe import hook
from workerstate.observe.seams import names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FOLDER = "samples"  # in the recording; while it is there, samples are kept
LARGEST = 1 << 20  # bytes of a pickled call, and of a pickled result
MOST = 40  # calls of one worker
_ALL_OF = 12  # the first calls of a worker
START = -1  # the position of what its pool called first

# Position of the call in its worker, number of its task, function, pickled call, pickled outcome,
# and the reason where it could not be pickled.
Row = tuple[int, int, str, bytes, bytes, str]

_task = 0
_position = 0
_next: int | None = 0  # the position that is sampled next; None: no more
_taken = 0
_open: list[tuple[int, str, bytes, str]] = []  # of the task that runs
_parts = 1  # calls that it makes
_chunk = False  # whether what it gives is a list of what they gave
_held: list[bytes] = []


class TooLargeError(Exception):
    """A pickle is larger than what is kept."""


def forget() -> None:
    """In a forked child: its tasks are its own."""
    global _task, _position, _next, _taken
    _task = _position = _taken = 0
    _next = 0
    _open.clear()
    _held.clear()


def start(initializer: Any, arguments: Any) -> None:
    """Note what the pool calls in this worker before the first task."""
    global _next
    if not os.path.isdir(f"{hook.folder}/{FOLDER}"):
        _next = None
    elif initializer is not None:
        data, reason = _pickled((initializer, tuple(arguments), {}))
        _keep((START, 0, names.name(initializer), data, b"", reason))


def begin(called: Any, args: Any, kwargs: Any) -> None:
    """Pickle those calls of a task that are of the sample."""
    global _task, _position, _next, _taken, _parts, _chunk
    _open.clear()
    if _next is None:
        return
    _task += 1
    found = names.calls(called, args, kwargs)
    _chunk = found is not None
    _parts, call = found or (1, lambda _: (called, args, kwargs))
    while _next < _position + _parts and _taken < MOST:
        one = call(_next - _position)
        label = names.name(names.unwrap(one[0]))
        if label.startswith("workerstate"):
            data, reason = b"", "they are bound to a WorkerSpec (use Executor.purity)"
        else:
            data, reason = _pickled(one)
        _open.append((_next, label, data, reason))
        _taken += 1
        _next += 1 if _next < _ALL_OF else 1 + _next // 3
    _position += _parts
    if _taken == MOST:
        _next = None


def end(value: Any, error: BaseException | None) -> None:
    """Pickle what came of those calls."""
    first = _position - _parts
    for position, label, data, reason in _open:
        outcome = b""
        if not reason and error is not None:
            if _chunk:
                reason = "another call of their chunk raised"
            else:
                outcome, reason = _pickled(("raised", told(error)))
        elif not reason:
            one = value[position - first] if _chunk else value
            outcome, reason = _pickled(("returned", one))
        _keep((position, _task, label, data, outcome, reason))
    _open.clear()


def told(error: BaseException) -> str:
    """Say an exception, below what a pool puts around it."""
    inner = getattr(error, "exc", error)
    return f"{type(inner).__name__}: {inner}"


def dumps(value: object) -> bytes:
    """Pickle ``value``; by value what loky has sent so, and what else has no name here.

    Raises:
        TooLargeError: it is larger than LARGEST.
        Exception: what pickle raises.
    """
    import pickle

    makers: list[Any] = [pickle.Pickler]
    for name in ("cloudpickle", "joblib.externals.cloudpickle"):
        if name in sys.modules:
            makers.append(sys.modules[name].CloudPickler)
    for number, maker in enumerate(makers, 1):
        file = _Bounded()
        try:
            maker(file, 5).dump(value)
            break
        except TooLargeError:
            raise
        except Exception:
            if number == len(makers):
                raise
    return b"".join(file.parts)


class _Bounded:
    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self._size = 0

    def write(self, data: Any) -> None:
        self._size += len(data)
        if self._size > LARGEST:
            raise TooLargeError
        self.parts.append(bytes(data))


def _pickled(value: object) -> tuple[bytes, str]:
    try:
        return dumps(value), ""
    except TooLargeError:
        return b"", "a call or its result is larger than 1 MiB"
    except Exception as error:
        return b"", f"a call or its result can't be pickled ({type(error).__name__})"


def _keep(row: Row) -> None:
    import pickle

    _held.append(pickle.dumps(row))
    if row[0] <= 0:
        return  # nothing ran before: only what follows makes it worth a file
    name = os.path.basename(hook.journal()).removesuffix(".jsonl")
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    number = os_open(f"{hook.folder}/{FOLDER}/{name}.pickle", flags, 0o600)
    try:
        os_write(number, b"".join(_held))
    finally:
        os_close(number)
        _held.clear()


def read(path: str) -> list[Row]:
    """Read what one worker wrote, up to where it was killed."""
    import pickle

    rows = []
    with open(path, "rb") as file:
        while True:
            try:
                rows.append(pickle.load(file))
            except (EOFError, pickle.UnpicklingError):
                return rows
