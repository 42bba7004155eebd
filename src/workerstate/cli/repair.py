"""What ``audit --fix`` and ``audit --prove`` share: the findings, and what answers them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workerstate.audit.placing import places_of
from workerstate.audit.prove import prove
from workerstate.audit.remedy import concerns, remedy_of
from workerstate.observe.reading import read
from workerstate.report import remedied

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from workerstate.audit.finding import Audit, Inherited
    from workerstate.audit.prove import Proof

_PATIENCE = 60.0  # seconds that a run may take beyond ten times what the first one took


class Repair:
    """The findings of one audit with the declaration that answers them."""

    def __init__(
        self,
        audit: Audit,
        findings: Sequence[Inherited],
        command: list[str],
        timeout: float | None,
        options: dict[str, Any],
    ) -> None:
        self._audit = audit
        self._findings = findings
        self._command = command
        self._timeout = timeout
        self._options = options
        self._remedy = remedy_of(findings)

    def code(self) -> str:
        """Give the declaration as Python code; what no declaration answers is in its comments."""
        if not self._findings:
            return "# Nothing to declare.\n"
        found = [place for f in self._findings for place in (f.where_set, f.where_read) if place]
        paths = [self._command[0], *(place.rpartition(":")[0] for place in found)]
        main = " ".join(self._command[:2] if self._command[0] == "-m" else self._command[:1])
        return remedied.render(self._remedy, places_of(self._audit.recording, paths), main)

    def proofs(self) -> Iterator[Proof]:
        """Run the program under each target that a finding is about, without and with it.

        What turns out to be nothing that can be carried is in the declaration no longer.
        """
        for target in self._audit.targets:
            if any(concerns(finding, target) for finding in self._findings):
                proof = prove(
                    self._command,
                    self._remedy,
                    target,
                    timeout=self._timeout or self._patience(),
                    **self._options,
                )
                self._remedy = self._remedy.without(dict(proof.refused))
                yield proof

    def _patience(self) -> float:
        note = read(self._audit.recording).note
        took: float = (note.get("ended", 0) - note.get("started", 0)) / 1e9
        return _PATIENCE + 10 * max(took, 0.0)
