"""One stream of random numbers per task, from (root seed, call number, task index or key) alone.

So a task draws the same numbers, bit for bit, whatever the start method, the number of workers,
the chunking, the order and the retries. numpy's generator comes from ``numpy.random.SeedSequence``;
all others from a hash (blake2) of the same three, so that they don't depend on numpy being there.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from random import Random
    from typing import Any

    from numpy.random import Generator

    Key = int | str | bytes

# Libraries with a global generator that is seeded per task wherever the program has imported them.
GLOBAL_GENERATORS = ("random", "numpy", "torch")


class Stream:
    """Where one task's numbers come from; the generators are made when first asked for."""

    __slots__ = ("_random", "_rng", "call", "key", "root")

    def __init__(self, root: int, call: int, key: Key) -> None:
        self.root = root
        self.call = call
        self.key = key
        self._rng: Generator | None = None
        self._random: Random | None = None

    def rng(self) -> Generator:
        """Give the task's numpy generator; the same one each time in the same task.

        Raises:
            ImportError: numpy is not installed.
        """
        if self._rng is None:
            try:
                import numpy
            except ImportError as error:
                raise ImportError(
                    "workerstate.rng() gives a numpy.random.Generator, and numpy is not installed; "
                    "use workerstate.stdlib_rng(), or install numpy"
                ) from error
            sequence = numpy.random.SeedSequence(self.root, spawn_key=(self.call, *self._words()))
            self._rng = numpy.random.default_rng(sequence)
        return self._rng

    def stdlib_rng(self) -> Random:
        """Give the task's ``random.Random``; the same one each time in the same task."""
        if self._random is None:
            import random

            self._random = random.Random(self.number("stdlib"))
        return self._random

    def number(self, purpose: str, size: int = 32) -> int:
        """Give a number of ``size`` bytes for one purpose; those of two purposes are unrelated."""
        return int.from_bytes(self._digest(purpose, size), "little")

    def _words(self) -> tuple[int, ...]:
        """Give the key as what SeedSequence takes; an index as itself, so that it can be redone."""
        if isinstance(self.key, int):
            return (self.key,)
        digest = self._digest("key", 16)
        return (1, *(int.from_bytes(digest[at : at + 4], "little") for at in range(0, 16, 4)))

    def _digest(self, purpose: str, size: int) -> bytes:
        from _blake2 import blake2b

        key = self.key
        said = key if isinstance(key, bytes) else f"{type(key).__name__}:{key}".encode()
        text = f"workerstate 1 {purpose} {self.root} {self.call} ".encode()
        digest: bytes = blake2b(text + said, digest_size=size).digest()
        return digest


def seed_globals(stream: Stream) -> None:
    """Seed the global generators of the libraries that this process has imported.

    They belong to the whole process: for tasks that run in threads side by side there is no
    telling who draws what from them, and only ``workerstate.rng()`` is each task's own.
    """
    load_generators()
    random: Any = sys.modules.get("random")
    if random is not None:
        random.seed(stream.number("random"))
    legacy: Any = sys.modules.get("numpy.random")
    if legacy is not None and hasattr(legacy, "seed"):
        digest = stream._digest("numpy", 32)
        legacy.seed([int.from_bytes(digest[at : at + 4], "little") for at in range(0, 32, 4)])
    torch: Any = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "manual_seed"):
        torch.manual_seed(stream.number("torch", 8) >> 1)


def load_generators() -> None:
    """Import numpy's generator where numpy is: numpy 2 does when it is first asked, unseeded."""
    if "numpy" in sys.modules and "numpy.random" not in sys.modules:
        try:
            import numpy.random  # noqa: F401
        except ImportError:  # no numpy that could draw
            pass


def save_globals() -> list[tuple[Any, Any]]:
    """Give what ``restore_globals`` takes to put the global generators back as they are now."""
    kept: list[tuple[Any, Any]] = []
    random: Any = sys.modules.get("random")
    if random is not None:
        kept.append((random.setstate, random.getstate()))
    legacy: Any = sys.modules.get("numpy.random")
    if legacy is not None and hasattr(legacy, "get_state"):
        kept.append((legacy.set_state, legacy.get_state()))
    torch: Any = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "get_rng_state"):
        kept.append((torch.set_rng_state, torch.get_rng_state()))
    return kept


def restore_globals(kept: list[tuple[Any, Any]]) -> None:
    """Put the global generators back as they were when ``save_globals`` was called."""
    for put_back, state in kept:
        put_back(state)
