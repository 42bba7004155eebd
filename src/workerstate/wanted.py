"""Which findings a project wants to hear of: its ``pyproject.toml``, and comments in its code.

``# workerstate: ignore[WS510]`` in a statement leaves out what is found with that code (or a code
that begins so) about that statement; ``# workerstate: ignore`` leaves out all.
"""

from __future__ import annotations

import re
import tokenize
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TYPE_CHECKING

from workerstate.errors import UsageError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from workerstate.project import Project

    Place = tuple[str | None, int | None]

_COMMENT = re.compile(r"#\s*workerstate:\s*ignore(?![\w-])(?:\s*\[([^\]]*)\])?", re.IGNORECASE)
_ALL = ("",)  # every code begins so


def check_codes(where: str, codes: Iterable[str], known: Iterable[str]) -> None:
    """Make sure that each of ``codes`` is a rule's code, or the beginning of one.

    Raises:
        UsageError: names ``where`` it stands and the nearest code.
    """
    known = list(known)
    for code in codes:
        if not code or not any(each.startswith(code) for each in known):
            near = nearest(code, known)
            hint = f"did you mean {near}?" if near else f"known: {', '.join(known)}"
            raise UsageError(f"{where}: no rule has the code {code!r}; {hint}")


def is_wanted(
    project: Project, code: str, name: str | None = None, places: Iterable[Place] = ()
) -> bool:
    """Tell whether a project wants a finding with that code, about that name and those places."""
    if project.select and not code.startswith(project.select):
        return False
    if code.startswith(project.ignore):
        return False
    if name is not None and any(fnmatchcase(name, each) for each in project.ignore_names):
        return False
    return not any(
        path is not None and line is not None and code.startswith(_ignored(path).get(line, ()))
        for path, line in places
    )


@lru_cache(maxsize=64)
def _ignored(path: str) -> dict[int, tuple[str, ...]]:
    """Give by line the codes that are left out there; a statement's comment is for all its lines.

    What can't be read, from where it can't be, has no comments.
    """
    found: dict[int, tuple[str, ...]] = {}
    first: int | None = None
    codes: tuple[str, ...] = ()
    try:
        with tokenize.open(path) as file:
            for token in tokenize.generate_tokens(file.readline):
                if token.type == tokenize.COMMENT:
                    codes += _codes(token.string)
                elif token.type == tokenize.NEWLINE:
                    if codes and first is not None:
                        found.update(dict.fromkeys(range(first, token.start[0] + 1), codes))
                    first, codes = None, ()
                elif token.type == tokenize.NL:
                    if first is None:  # a comment on a line of its own
                        codes = ()
                elif token.type not in (tokenize.INDENT, tokenize.DEDENT):
                    first = first or token.start[0]
    except (OSError, SyntaxError, ValueError, tokenize.TokenError):
        pass
    return found


def _codes(comment: str) -> tuple[str, ...]:
    match = _COMMENT.search(comment)
    if match is None:
        return ()
    if match[1] is None:
        return _ALL
    return tuple(code.strip().upper() for code in match[1].split(",") if code.strip())
