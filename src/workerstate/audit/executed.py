"""What the program's tasks were seen to run: it narrows down what their code *can* read.

A walk through code finds every branch; the audit has seen which lines were run. Where every task of
a function has ended well, and all that it read is the same in a worker of the target, then it would
run there as it did here, and what stands on the lines that it did not run makes no difference.
"""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workerstate.audit.known import NAMED
from workerstate.audit.lines import BY_VALUE
from workerstate.program import is_users_file

if TYPE_CHECKING:
    from collections.abc import Iterable

    Line = tuple[str, int]

_TABLES = ("calls", "used", "formats", "variables", "open_stores")


class Executed:
    """Lines that tasks were seen to run, by the journals of a recording.

    Args:
        folder: the recording.
    """

    def __init__(self, folder: str | Path) -> None:
        self.lines: set[Line] = set()
        self._orders: list[dict[Line, int]] = []
        self._seen: set[str] = set()
        self._doubtful: set[str] = set()
        for path in sorted(Path(folder).glob("*.jsonl")):
            self._read(path)

    def _read(self, path: Path) -> None:
        begun: dict[int, str] = {}
        with path.open(errors="replace") as journal:
            for line in journal:
                if line.startswith(('{"ev":"begin"', '{"ev":"end"', '{"ev":"lines"')):
                    try:
                        self._take(json.loads(line), begun)
                    except ValueError:  # the line of a process that was killed
                        continue
        self._doubtful.update(begun.values())  # tasks that never ended

    def _take(self, event: dict[str, Any], begun: dict[int, str]) -> None:
        if event["ev"] == "begin":
            begun[event["n"]] = event["fn"]
        elif event["ev"] == "end":
            label = begun.pop(event["n"], None)
            if label is not None and not event["ok"]:
                self._doubtful.add(label)
        else:
            rows = [(event["files"][file], line) for file, line in event["list"]]
            self.lines.update(rows)
            if rows:
                self._orders.append({row: at for at, row in enumerate(rows)})
            self._seen.add(event["fn"])
            if not (event["ok"] and event["whole"]):
                self._doubtful.add(event["fn"])

    def tells_of(self, request: dict[str, Any]) -> bool:
        """Whether all tasks of a request were seen whole, and have ended well."""
        label, reads = request["task"], request["reads"]
        files = {file for file, _ in self.lines}
        seen = BY_VALUE in files or any(file in files for file, _, _ in reads["followed"])
        return seen and label in self._seen and label not in self._doubtful

    def ran(self, places: Iterable[str]) -> bool:
        """Tell whether one of these places was run, or may have been."""
        for place in places:
            path, _, line = place.rpartition(":")
            here = (path, int(line))
            if (
                not path
                or not is_users_file(path)
                or here in self.lines
                or (BY_VALUE, here[1]) in self.lines
            ):
                return True
        return False

    def sets_first(self, stores: Iterable[str], names: Iterable[str]) -> bool:
        """Tell whether tasks set something before they name it, each time that they do."""
        stored, named = _lines(stores), _lines(names)
        found = False
        for order in self._orders:
            set_at = min((order[line] for line in stored if line in order), default=None)
            named_at = min((order[line] for line in named if line in order), default=None)
            if named_at is not None:
                if set_at is None or named_at <= set_at:
                    return False
                found = True
        return found


def _lines(places: Iterable[str]) -> list[Line]:
    rows = (place.rpartition(":") for place in places)
    return [(path, int(line)) for path, _, line in rows]


class Narrowed:
    """A request with what its tasks were seen to run, and no more.

    Args:
        request: of one task.
        executed: what was seen.
    """

    def __init__(self, request: dict[str, Any], executed: Executed) -> None:
        self._request = request
        self._executed = executed

    @cached_property
    def request(self) -> dict[str, Any]:
        """The request; the first place of each note is one that was run."""
        reads = self._request["reads"]
        narrowed = {
            **reads,
            "names": self._names(reads["names"]),
            "library": self._names(reads["library"]),
            **{table: self._table(reads[table], table) for table in _TABLES},
        }
        roots = {*narrowed["names"], *narrowed["library"]}
        gone = {*reads["names"], *reads["library"]} - roots
        kept = {
            key: [row for row in self._request[key] if row["root"] not in gone]
            for key in ("sharing", "sharing_at_import", "late")
        }
        return {**self._request, "reads": narrowed, **kept}

    def values(self, values: dict[str, Any]) -> dict[str, Any]:
        """Give the values of what is read."""
        reads = self.request["reads"]
        tables = ("names", "library")
        read = {
            "\t".join((root, *steps))
            for table in tables
            for root, rows in reads[table].items()
            for steps, _ in rows
        }
        known = {key for table in tables for key in _keys(self._request["reads"][table])}
        read |= {key for table in tables for key in _keys(self._request["first"][table])}
        return {
            key: shape
            for key, shape in values.items()
            if key in read or not (key in known or key.endswith("\t" + NAMED))
        }

    def _names(self, table: dict[str, Any]) -> dict[str, Any]:
        found = {}
        for root, rows in table.items():
            named = self._places("named", root)
            if not named and self._request["method"] == "fork":
                # Called by a name that is computed: forked workers have it, and so ran it.
                named = self._places("dispatched", root)
            if named and not self._executed.ran(named):
                continue
            stored = self._places("stores", root)
            if named and stored and self._executed.sets_first(stored, named):
                continue
            kept = [
                [steps, self._first(self._places("reads", "\t".join((root, *steps))) or [at])]
                for steps, at in rows
            ]
            kept = [[steps, at] for steps, at in kept if at is not None]
            if not kept and named:
                kept = [[[NAMED], self._first(named)]]  # it is looked up, and then not used
            if kept:
                found[root] = kept
        return found

    def _table(self, table: dict[str, str], name: str) -> dict[str, str]:
        rows = {key: self._first(self._places(name, key) or [at]) for key, at in table.items()}
        return {key: at for key, at in rows.items() if at is not None}

    def _places(self, table: str, key: str) -> list[str]:
        found: list[str] = self._request["reads"]["everywhere"].get(table, {}).get(key, [])
        return found

    def _first(self, places: list[str]) -> str | None:
        """Give the first place that was run; None where there is none."""
        ran = [place for place in places if self._executed.ran([place])]
        return min(ran, key=lambda place: (place.startswith(":"), place), default=None)


def _keys(table: dict[str, Any]) -> Iterable[str]:
    return ("\t".join((root, *steps)) for root, rows in table.items() for steps, _ in rows)
