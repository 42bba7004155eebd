"""Findings as SARIF 2.1.0, which code scanning services and editors read.

Paths below the current folder are relative to ``%SRCROOT%``, which the reader may place elsewhere.
Of the rules, only those that something was found by are in the file.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from workerstate.report.stated import Stated

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_ROOT = "%SRCROOT%"
_CHANGING = re.compile(r"#[0-9a-f]{6}|\d+")


def render(findings: Iterable[Stated], rules: Mapping[str, Any], *, version: str) -> str:
    """Give the whole file; ``rules`` are the rules by code, ``version`` is that of this package."""
    found = list(findings)
    codes = sorted({finding.code for finding in found})
    driver = {
        "name": "workerstate",
        "version": version,
        "rules": [_rule(code, found, rules) for code in codes],
    }
    run = {
        "tool": {"driver": driver},
        "originalUriBaseIds": {_ROOT: {"uri": _folder_uri()}},
        "results": _results(found, codes),
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1) + "\n"


def _rule(code: str, found: list[Stated], rules: Mapping[str, Any]) -> dict[str, Any]:
    known = rules.get(code)
    if known is None:
        name = next(finding.rule for finding in found if finding.code == code)
        return {"id": code, "name": name}
    return {
        "id": code,
        "name": known.name,
        "shortDescription": {"text": known.summary},
        "fullDescription": {"text": known.why},
        "help": {"text": known.page()},
        "defaultConfiguration": {"level": "warning"},
    }


def _results(found: list[Stated], codes: list[str]) -> list[dict[str, Any]]:
    results, alike = [], Counter[str]()
    for finding in found:
        text = f"{finding.message.rstrip('.')}. {finding.remedy}".rstrip()
        result: dict[str, Any] = {
            "ruleId": finding.code,
            "ruleIndex": codes.index(finding.code),
            "level": "warning",
            "message": {"text": text},
            "locations": [_location(finding.path, finding.line)] if finding.path else [],
        }
        if finding.also:
            result["relatedLocations"] = [
                {**_location(path, line), "message": {"text": what}}
                for what, path, line in finding.also
            ]
        # Lines move, and hashes are new in each recording: a finding is the same one as long as it
        # says the same words of the same file.
        said = f"{finding.code}|{finding.path}|{_CHANGING.sub('', finding.message)}"
        alike[said] += 1
        digest = hashlib.blake2b(said.encode(errors="replace"), digest_size=8).hexdigest()
        result["partialFingerprints"] = {"said/v1": f"{digest}:{alike[said]}"}
        results.append(result)
    return results


def _location(path: str, line: int | None) -> dict[str, Any]:
    if os.path.isabs(path):
        place: dict[str, Any] = {"artifactLocation": {"uri": Path(path).as_uri()}}
    else:
        uri = quote(path.replace(os.sep, "/"), errors="surrogateescape")
        place = {"artifactLocation": {"uri": uri, "uriBaseId": _ROOT}}
    if line is not None:
        place["region"] = {"startLine": line}
    return {"physicalLocation": place}


def _folder_uri() -> str:
    uri = Path.cwd().as_uri()
    return uri if uri.endswith("/") else uri + "/"
