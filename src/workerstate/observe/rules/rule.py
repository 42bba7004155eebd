"""What a rule is, and what rules share."""

from __future__ import annotations

import ast
import textwrap
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from workerstate.values import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from workerstate.observe.reading import Process
    from workerstate.observe.view import View


@dataclass(frozen=True)
class Rule:
    """One kind of finding: its code, what it means, how it is found, and what to do."""

    code: str
    name: str
    summary: str
    why: str
    how: str
    remedy: str
    # None for what an audit finds, which looks at more than a recording.
    check: Callable[[Rule, View], Iterator[Finding]] | None = None

    def page(self) -> str:
        """Give the rule's page, as ``workerstate rule CODE`` prints it."""
        parts = [f"{self.code} {self.name}", self.summary]
        for title, text in (("Why", self.why), ("How", self.how), ("Remedy", self.remedy)):
            parts.append(f"{title}\n" + textwrap.indent(textwrap.fill(text, 88), "  "))
        return "\n\n".join(parts)

    def finding(
        self, sentence: str, *, path: str | None = None, line: int | None = None,
        remedy: str | None = None,
    ) -> Finding:  # fmt: skip
        """Make a finding of this rule."""
        return Finding(self.code, self.name, sentence, path, line, remedy or self.remedy)


def functions(process: Process) -> list[str]:
    """Name the functions of a worker's tasks, each once."""
    return list(dict.fromkeys(task.function for task in process.tasks))


def count(number: int, noun: str) -> str:
    """Say a number of things."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def listed(names: Iterable[str], most: int = 4) -> str:
    """Say a few names, and how many there are beyond."""
    kept = list(dict.fromkeys(names))
    more = f" and {len(kept) - most} more" if len(kept) > most else ""
    return ", ".join(kept[:most]) + more


def commonest(values: Iterable[str]) -> str:
    """Give the value that comes most often."""
    return Counter(values).most_common(1)[0][0]


@lru_cache(maxsize=64)
def _assignments(path: str) -> dict[str, int]:
    try:
        tree = ast.parse(Path(path).read_text())
    except (OSError, SyntaxError, ValueError):
        return {}
    out: dict[str, int] = {}
    for node in ast.walk(tree):
        if not isinstance(node, (ast.Assign, ast.AnnAssign)):
            continue
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            name = ast.unparse(target)
            # The last place counts: a name set at import is often set again in main().
            out[name] = max(out.get(name, 0), node.lineno)
    return out


def where_set(path: str | None, name: str) -> int | None:
    """Give the last line of a source file that assigns ``name``."""
    return _assignments(path).get(name) if path else None


def script(seen: View) -> str | None:
    """Give the path of the program's main file, if it is one."""
    command = seen.recording.note.get("command") or []
    return command[0] if command and not command[0].startswith("-") else None
