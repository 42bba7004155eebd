"""Findings as workflow commands, which GitHub shows beside the lines that they speak of."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from workerstate.report.stated import Stated


def render(findings: Iterable[Stated]) -> str:
    """Give one ``::warning`` line for each finding; a remedy is the message's last line."""
    return "".join(_command(finding) + "\n" for finding in findings)


def _command(finding: Stated) -> str:
    place = {"file": finding.path, "line": finding.line}
    properties = {**place, "title": f"{finding.code} {finding.rule}"}
    said = ",".join(f"{k}={_property(str(v))}" for k, v in properties.items() if v is not None)
    message = "\n".join(filter(None, (finding.message, finding.remedy and _remedy(finding))))
    return f"::warning {said}::{_data(message)}"


def _remedy(finding: Stated) -> str:
    return f"Remedy: {finding.remedy}"


def _data(text: str) -> str:
    """Escape what would end the command, as the runner reads it."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
