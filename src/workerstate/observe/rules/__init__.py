"""The findings: one small file for each family of rules, and the table of all.

A rule looks at a recording and yields what it found; it says nothing where it can't be sure. The
codes are stable: WS1xx birth, WS2xx life, WS3xx pools, WS4xx shipping, WS5xx fork.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workerstate.observe.rules.birth import RULES as BIRTH
from workerstate.observe.rules.forks import RULES as FORKS
from workerstate.observe.rules.forkserver import RULES as FORKSERVER
from workerstate.observe.rules.life import RULES as LIFE
from workerstate.observe.rules.pools import RULES as POOLS
from workerstate.observe.rules.shipping import RULES as SHIPPING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from workerstate.observe.rules.rule import Rule
    from workerstate.observe.view import View

_ALL = (*BIRTH, *FORKSERVER, *LIFE, *POOLS, *SHIPPING, *FORKS)
RULES: dict[str, Rule] = {rule.code: rule for rule in sorted(_ALL, key=lambda rule: rule.code)}


def find(seen: View) -> list[dict[str, Any]]:
    """Give all findings of a recording, by code."""
    rows = []
    for rule in RULES.values():
        for finding in rule.check(rule, seen) if rule.check is not None else ():
            rows.append({name: getattr(finding, name) for name in finding._fields})
    return rows


def unknown_codes(codes: Iterable[str]) -> list[str]:
    """Give those of ``codes`` that are neither a rule's code nor the beginning of one."""
    return [code for code in codes if not any(known.startswith(code) for known in RULES)]
