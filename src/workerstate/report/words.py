"""Small phrases that the reports share."""

from __future__ import annotations

from collections import Counter
from typing import Any


def count(number: int, noun: str) -> str:
    """Say a number of things: ``1 worker``, ``2 workers``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def duration(milliseconds: float | None) -> str:
    """Say a time in the unit that fits."""
    if milliseconds is None:
        return "?"
    if milliseconds >= 10_000:
        return f"{milliseconds / 1000:.0f} s"
    if milliseconds >= 1000:
        return f"{milliseconds / 1000:.1f} s"
    return f"{milliseconds:.0f} ms" if milliseconds >= 10 else f"{milliseconds:.1f} ms"


def size(number: float | None) -> str:
    """Say a number of bytes."""
    if number is None:
        return "?"
    for unit in ("B", "KiB", "MiB"):
        if number < 1024:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} GiB"


def ending(death: dict[str, Any]) -> str:
    """Say how a process ended."""
    if death["signal"]:
        return str(death["signal"])
    if death["exit_code"] is None:
        return "not seen"
    return f"exit {death['exit_code']}"


def functions(tasks: list[dict[str, Any]]) -> str:
    """Say what ran: each function with how often."""
    counts = Counter(task["function"] for task in tasks)
    return ", ".join(f"{name} x{number}" if number > 1 else name for name, number in counts.items())


def number_of_tasks(worker: dict[str, Any]) -> int:
    """Count the tasks of a worker, those that are only counted included."""
    more = worker.get("more_tasks", {}).values()
    return len(worker["tasks"]) + sum(int(row["tasks"]) for row in more)


def net_changes(tasks: list[dict[str, Any]]) -> list[str]:
    """Say what a worker's tasks left behind in all: from the first value to the last."""
    first: dict[tuple[str, str], Any] = {}
    last: dict[tuple[str, str], Any] = {}
    for task in tasks:
        for change in task["changes"]:
            key = (change["facet"], change["key"])
            first.setdefault(key, change["before"])
            last[key] = change["after"]
    return [
        f"{key}: {shown(first[facet, key])} -> {shown(value)}"
        for (facet, key), value in last.items()
        if value != first[facet, key] and not is_usual(facet, key)
    ]


# What no two processes have in common, and what a pool does to each of its workers.
_USUAL = frozenset(
    (
        ("flags", "str_hash"),
        ("hooks", "sys.stdin"),
        ("modules", "imported"),
        ("random", "state"),
    )
)


def is_usual(facet: str, key: str) -> bool:
    """Tell whether a difference between parent and worker says nothing of the program."""
    # What native thread pools read from the environment is shown with the environment.
    return (
        (facet, key) in _USUAL
        or facet == "threads"
        or (facet == "native_threads" and key.isupper())
    )


def shown(text: str | None) -> str:
    """Say a value, or that there is none; the same thing many times is said once."""
    if text is None:
        return "(none)"
    parts = text.split(", ")
    counts = Counter(parts)
    if len(parts) > 2 and len(counts) < len(parts):
        return ", ".join(f"{n} x {part}" if n > 1 else part for part, n in counts.items())
    return text


def listed(numbers: list[int]) -> str:
    """Say a few numbers, and how many there are beyond."""
    more = f" and {len(numbers) - 6} more" if len(numbers) > 6 else ""
    return ", ".join(map(str, numbers[:6])) + more


Group = tuple[str, str, list[int], list[str]]


def grouped_differences(workers: list[dict[str, Any]]) -> list[Group]:
    """Give facet, side, workers and texts of what is not as in the parent, what is alike together.

    What no two processes have in common is left out, and so are definitions of the main module,
    which a fresh worker may never import.
    """
    rows: dict[tuple[str, str, Any, Any], list[int]] = {}
    for worker in workers:
        for row in worker["birth"]["differences"]:
            if not is_usual(row["facet"], row["key"]) and not _is_expected(row, worker):
                key = (row["facet"], row["key"], row["parent"], row["worker"])
                rows.setdefault(key, []).append(worker["number"])
    groups: dict[tuple[str, str, tuple[int, ...]], list[str]] = {}
    for (facet, name, parent, child), numbers in rows.items():
        plain = facet == "environ"  # whose values say nothing without --values
        if child is None:
            where, said = "only in the parent", name if plain else f"{name} ({shown(parent)})"
        elif parent is None:
            where, said = "only in the worker", name if plain else f"{name} ({shown(child)})"
        else:
            where, said = "parent -> worker", f"{name} {shown(parent)} -> {shown(child)}"
        groups.setdefault((facet, where, tuple(numbers)), []).append(said)
    return [(facet, where, list(n), said) for (facet, where, n), said in groups.items()]


def _is_expected(row: dict[str, Any], worker: dict[str, Any]) -> bool:
    """Tell whether a name of a module is missing in a worker because that is how it is started."""
    if row["facet"] != "modules" or row["worker"] is not None:
        return False
    # loky never imports the main module; what tasks need of it travels by value.
    by_value = worker["start_method"] == "loky" and row["key"].startswith("__main__.")
    return by_value or (row["parent"] or "").startswith(("class ", "function ", "method "))


def purity(found: dict[str, Any] | None) -> list[str]:
    """Say what came of running tasks again."""
    if found is None:
        return []
    lines = [
        f"purity: of {count(found['sampled'], 'sampled call')}, {len(found['differing'])} gave "
        "what depends on what ran before in their worker"
    ]
    said = {
        "unsteady": "differ between fresh workers too",
        "otherwise": "differ for another reason than the tasks before them (what their worker "
        "started with, or the world outside)",
        "undecided": "differ, and it is not known why: not all that ran before them was sampled, "
        "or their worker started otherwise",
    }
    lines += [f"  {found[key]} {text}" for key, text in said.items() if found[key]]
    lines += [f"  {row['count']} not compared: {row['reason']}" for row in found["not_compared"]]
    if found["without_main"]:
        lines.append(f"  without the main module: {found['without_main']}")
    if found["problem"]:
        lines.append(f"  not all could be run again: {found['problem']}")
    return lines
