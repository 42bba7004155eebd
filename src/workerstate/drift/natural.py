"""What moves in the nature of things, and is no drift unless its facet is named in the policy.

* Importing grows ``sys.modules``, and brings what a library's import itself sets: warning filters
  that name it, loggers, a finder of its own, variables of OpenMP, limits that had no key before.
* Drawing random numbers moves a generator. Seeding it is drift; the two are told apart by the
  states that drawing can reach in that time. A task that seeds anew, and draws, and runs for more
  than half a millisecond can't be told from one that draws much; but the first seeding of numpy's
  generator always can.
"""

from __future__ import annotations

import sys

from workerstate.drift.reading import MISSING, State
from workerstate.values import Captured

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_MOST_BLOCKS = 400
_WORDS = 624
_FASTEST = 2  # nanoseconds in which a word can be drawn
_OPENMP = ("KMP_", "OMP_")
_COMPILED = ("cython_runtime", "_cython_")  # what Cython's modules share
_NEW_LIMITS = ("csv_field_size", "socket_timeout", "rlimit_")

# What a library has when it is new: one that a task imports first is compared with this. Of other
# libraries, and other keys, what they have after that task is taken for new.
NEW: Mapping[str, Mapping[str, Any]] = {
    "numpy": {
        "errstate.divide": "warn",
        "errstate.over": "warn",
        "errstate.under": "ignore",
        "errstate.invalid": "warn",
        "print.precision": 8,
        "print.threshold": 1000,
        "print.linewidth": 75,
        "print.suppress": False,
        "bufsize": 8192,
    },
    "decimal": {
        "prec": 28,
        "rounding": "ROUND_HALF_EVEN",
        "Emin": -999999,
        "Emax": 999999,
        "capitals": 1,
        "clamp": 0,
        "traps": ("DivisionByZero", "InvalidOperation", "Overflow"),
    },
    "sklearn": {
        "assume_finite": False,
        "working_memory": 1024,
        "print_changed_only": True,
        "transform_output": "default",
        "enable_metadata_routing": False,
    },
    "torch": {
        "default_dtype": "float32",
        "grad_enabled": True,
        "deterministic_algorithms": False,
        "cudnn.benchmark": False,
        "cudnn.deterministic": False,
    },
}


def new(facet: str, now: State) -> State:
    """Give what a facet was before a task imported its library, which has ``now`` by its end."""
    fresh = NEW.get(facet)
    if fresh is None:
        return now
    known = {key: fresh.get(key, value) for key, value in now.captured.settings.items()}
    if facet == "decimal":
        known.update((f"default.{key}", value) for key, value in fresh.items())
    # numpy's generator is looked at by what seeding does to it.
    return State(Captured(known, {} if facet == "numpy" else now.captured.observed))


def is_natural(
    facet: str, key: str, before: State, after: State, imported: list[str], took: int
) -> bool:
    """Tell whether that is no drift.

    Args:
        facet: the facet's name.
        key: what of it changed.
        before: the facet's state as read before the task.
        after: the same after it.
        imported: the modules that came into ``sys.modules`` meanwhile.
        took: how many nanoseconds the tasks in between have taken.
    """
    old, new = before.value(key), after.value(key)
    if facet == "environ":
        return old is MISSING and key.startswith(_OPENMP) and bool(_libraries(imported))
    if facet == "warnings" and key == "filters":
        return _only_their_own(old, new, _libraries(imported))
    if facet == "sys_path" and key == "finders":
        return _finders_of(_libraries(imported), before.held[1], after.held[1])
    if facet == "random":
        return not _seeded(_words(before.held), _words(after.held), took)
    if facet == "numpy" and key == "legacy generator":
        return not _numpy_seeded(before.held, after.held, took)
    if facet == "sys_modules":
        return old is MISSING and _came_by_import(key, new, imported)
    if facet == "logging":
        return old is MISSING and _logger_of(_libraries(imported), key, new)
    if facet == "builtins":
        return old is MISSING and key.startswith("__pybind11_internals")  # of extension modules
    if facet == "matplotlib":
        return key.startswith("backend")  # the first plot chooses one
    return facet == "limits" and old is MISSING and key.startswith(_NEW_LIMITS)


def is_seeded(facet: str, key: str) -> bool:
    """Tell whether that is a generator that is seeded for each task where the spec has a seed."""
    return facet == "random" or (facet == "numpy" and key == "legacy generator")


def goes_without_saying(key: str, before: State, after: State) -> bool:
    """Tell whether another facet or key says it of ``threads``, or threads have only ended."""
    if key == "files":
        return True  # fds tells, when it is many
    ended = after.value("threads") <= before.value("threads")
    return ended or (key == "threads" and before.value("names") != after.value("names"))


def _libraries(modules: list[str]) -> set[str]:
    """Give the installed libraries that those modules are of."""
    found = set()
    for name in modules:
        origin = getattr(getattr(sys.modules.get(name), "__spec__", None), "origin", None)
        if type(origin) is str and ("site-packages" in origin or "dist-packages" in origin):
            found.add(name.partition(".")[0])
    return found


def _came_by_import(name: str, value: object, imported: list[str]) -> bool:
    """Tell a module that was imported, or that a package being imported put below its own name."""
    if getattr(value, "__spec__", None) is not None:
        return True
    package, _, rest = name.partition(".")
    above = getattr(sys.modules.get(package), "__spec__", None) if rest else None
    others = len(imported) > 1
    return others and (above is not None or name.startswith(_COMPILED))


def _only_their_own(before: Any, after: Any, libraries: set[str]) -> bool:
    """Tell whether filters were only added, each by one of those libraries, as far as can be told.

    It names one of them, or silences one message, which need not name who says it.
    """
    added = [entry for entry in after if entry not in before]
    return tuple(entry for entry in after if entry in before) == tuple(before) and all(
        any(name in f"{message} {category} {module}" for name in libraries)
        or bool(libraries and message and action == "ignore")
        for action, message, category, module, _ in added
    )


def _logger_of(libraries: set[str], key: str, value: object) -> bool:
    """Tell whether a library, on import, set up a logger that nobody had set up before.

    It goes by the library's name; or by another's, and then writes to no file.
    """
    name, _, attribute = key.rpartition(".")
    if not libraries or name == "root" or key.startswith("logging:"):
        return False
    streams = all(said.startswith(("Stream", "Null")) for said in str(value).split(", "))
    return name.partition(".")[0] in libraries or attribute != "handlers" or streams


def _finders_of(libraries: set[str], before: list[Any], after: list[Any]) -> bool:
    """Tell whether finders were only added, each by one of those libraries."""
    known = [*map(id, before)]
    added = [finder for finder in after if id(finder) not in known]
    homes = {str(getattr(each, "__module__", "")).partition(".")[0] for each in added}
    return len(after) == len(before) + len(added) and homes <= libraries


def _words(held: Any) -> tuple[int, ...] | None:
    """Give the state of a generator of the random module: its words, and the place in them."""
    return None if held is None else held[1]


def _numpy_seeded(before: Any, after: Any, took: int) -> bool:
    if after is None:
        return False
    state, origin = after
    if before is None or (origin is None and before[1] is not None):
        return origin is None  # seeding forgets where the first state came from
    if state.get("bit_generator") != "MT19937":
        return False
    return _seeded(_numpy_words(before[0]), _numpy_words(state), took)


def _numpy_words(state: Any) -> tuple[int, ...] | None:
    if state.get("bit_generator") != "MT19937":
        return None
    return (*state["state"]["key"].tolist(), int(state["state"]["pos"]))


def _seeded(before: tuple[int, ...] | None, after: tuple[int, ...] | None, took: int) -> bool:
    """Tell whether drawing can't have led from one state of a Mersenne Twister to the other.

    A state that may be too far away for that to be known is taken for one that drawing led to.
    """
    if before is None or after is None:
        return False
    if before[:_WORDS] == after[:_WORDS]:
        return after[_WORDS] < before[_WORDS]
    from _random import Random

    steps = Random()
    steps.setstate(before)
    steps.getrandbits(32 * (_WORDS - before[_WORDS]))  # to the end of the block
    first = _output(after[0])
    for _ in range(_MOST_BLOCKS):
        if steps.getrandbits(32) == first:
            return False
        steps.getrandbits(32 * (_WORDS - 1))
    return took < _MOST_BLOCKS * _WORDS * _FASTEST


def _output(word: int) -> int:
    """Give the number that a generator draws from a word of its state (MT19937's tempering)."""
    word ^= word >> 11
    word ^= (word << 7) & 0x9D2C5680
    word ^= (word << 15) & 0xEFC60000
    return word ^ (word >> 18)
