"""What a judge gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workerstate.values import Value


class Verdict(Value):
    """Whether a claim holds here, what was seen in one sentence, and the numbers."""

    holds: bool
    reason: str
    evidence: Mapping[str, Any]


def count(number: int, noun: str) -> str:
    """Give a number with its noun."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
