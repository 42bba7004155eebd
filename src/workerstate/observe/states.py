"""Puts snapshots together again: a journal holds the first whole and then only what changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workerstate.observe.reading import Event, Process, Recording, Texts


class States:
    """The texts of every snapshot of a recording, put together when asked for."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._known: dict[tuple[str, int], Texts] = {}

    def texts(self, process: Process, number: int) -> Texts | None:
        """Give snapshot ``number`` of a process, or None where the journal does not have it."""
        key = (process.journal, number)
        if key in self._known:
            return self._known[key]
        chain: list[Event] = []
        texts: Texts = {}
        while True:
            event = next((e for e in process.snapshots if e["n"] == number), None)
            if event is None:
                return None
            chain.append(event)
            if event["base"] is None:
                break
            pid, number = event["base"]
            if pid != process.pid:
                before = self._recording.at(pid, process.started - 1)
                if before is None:
                    return None
                process = before
            elif number == event["n"]:
                return None
            done = self._known.get((process.journal, number))
            if done is not None:
                texts = done
                break
        for event in reversed(chain):
            texts = apply(texts, event["facets"])
        self._known[key] = texts
        return texts

    def born(self, process: Process) -> Texts | None:
        """Give the state a worker began its first task with."""
        return self.texts(process, process.born["n"]) if process.born else None

    def at_launch(self, process: Process, launch: Event | None, parent: Process | None) -> (
        Texts | None
    ):  # fmt: skip
        """Give the parent's state at the moment it started this worker."""
        if parent is None:
            return None
        if launch is not None and launch.get("snapshot"):
            return self.texts(parent, launch["snapshot"])
        # Forked: the worker's first snapshot says on which of its parent's it is based.
        for event in process.snapshots:
            if event["base"] is not None and event["base"][0] == parent.pid:
                return self.texts(parent, event["base"][1])
        return None


def apply(texts: Texts, changed: dict[str, dict[str, str | None] | None]) -> Texts:
    """Give ``texts`` with the changes made; None stands for a key or a facet that is gone."""
    out = dict(texts)
    for facet, keys in changed.items():
        if keys is None:
            out.pop(facet, None)
            continue
        row = dict(out.get(facet, {}))
        for key, text in keys.items():
            if text is None:
                row.pop(key, None)
            else:
                row[key] = text
        out[facet] = row
    return out
