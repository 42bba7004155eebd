"""Memory made ready for forking: what a fork costs is pages to copy, and then pages to free.

Frozen objects are not touched by collections in the children. Huge pages (madvise
MADV_COLLAPSE, Linux 6.1) make one entry out of 512: a fork of numpy, pandas and scikit-learn took
two thirds of the time after it, one of 500 MB of Python objects an eighth.

Python takes memory for small objects one megabyte at a time, and imports map libraries in between;
what lies so scattered makes no huge pages. So room is made in one piece before the imports.
"""

from __future__ import annotations

import ctypes
import gc

HUGE = 2 << 20
_MADV_COLLAPSE = 25
_LEAST = 4 * HUGE  # bytes of heap from which it is worth 25 ms and more
_ROOM = 64 << 20  # bytes; numpy, pandas and scikit-learn fill 57 MB
_PIECE = 480  # bytes of what the room is made of, as pymalloc counts
_pins: list[bytes | None] = []


def reserve() -> None:
    """Make room in one piece for what is about to be imported; it takes about 20 ms."""
    # The list is as long as it will be: one that grows would be mapped in between.
    pieces: list[bytes | None] = [None] * (_ROOM // _PIECE)
    for at in range(len(pieces)):
        pieces[at] = bytes(_PIECE - 40)
    _pins[:] = pieces[::512]  # these keep every megabyte of it from being given back


def prepare(*, huge: bool, collect: bool = True) -> None:
    """Freeze what is there; if many forks are to come, lay what is used into huge pages.

    Args:
        huge: many forks are to come.
        collect: there may be garbage worth looking for; imports leave next to none.
    """
    if collect:
        gc.collect()
    gc.freeze()
    if huge:
        _collapse()


def _collapse() -> None:
    """Lay what is used into huge pages; where that can't be, go without."""
    ranges = _writable_ranges()
    if sum(end - start for start, end in ranges) >= _LEAST:
        libc = ctypes.CDLL(None, use_errno=True)
        libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        for start, end in ranges:
            for at in range(start, end, HUGE):
                libc.madvise(at, HUGE, _MADV_COLLAPSE)


def _writable_ranges() -> list[tuple[int, int]]:
    """Give the parts of private anonymous memory that hold whole huge pages of touched memory."""
    found = []
    try:
        with open("/proc/self/smaps") as file:
            for line in file:
                words = line.split()
                if "-" in words[0] and not words[0].endswith(":"):
                    span = [int(each, 16) for each in words[0].split("-")]
                    plain = words[1].startswith("rw") and (len(words) < 6 or words[5] == "[heap]")
                elif words[0] == "Rss:" and plain and int(words[1]) >= 2048:
                    start = (span[0] + HUGE - 1) // HUGE * HUGE
                    end = span[1] // HUGE * HUGE
                    if start < end:
                        found.append((start, end))
    except (OSError, ValueError):
        return []
    return found
