"""What a project has decided once: the ``[tool.workerstate]`` table of its ``pyproject.toml``."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from workerstate.errors import UsageError, nearest
from workerstate.values import Value

TARGETS = ("fork", "spawn", "forkserver", "loky")


class Project(Value):
    """The choices of one project; each key of the table is a field, with a dash for ``_``.

    Fields:
        select: codes or beginnings of codes (``WS1``) of the findings that are wanted; all if
            empty.
        ignore: those that are not.
        ignore_names: names that no finding is wanted about: ``app.CACHE``, ``app.*``,
            ``logging:root.level``.
        target: the start method that ``audit`` compares with.
        timeout: seconds that ``audit`` gives the program.
        path: the file that said so; None for a project without the table.
    """

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    ignore_names: tuple[str, ...] = ()
    target: str | None = None
    timeout: float | None = None
    path: str | None = None


_LISTS = ("select", "ignore", "ignore-names")
_KEYS = tuple(name.replace("_", "-") for name in Project._fields if name != "path")


def read(folder: Path | None = None) -> Project:
    """Give the choices of the project that ``folder`` (the current one) belongs to.

    They are in the nearest ``pyproject.toml``, there or in a folder above, that has the table.

    Raises:
        UsageError: such a file is no TOML, or has a key or a value that means nothing here.
    """
    try:
        start = (folder or Path.cwd()).resolve()
    except OSError:  # the current folder has been deleted
        return Project()
    for place in (start, *start.parents):
        path = place / "pyproject.toml"
        table = _table(path) if path.is_file() else None
        if table is not None:
            return _project(path, table)
    return Project()


def _table(path: Path) -> Any:
    toml: Any = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    try:
        found = toml.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:  # no UTF-8 and no TOML are both a ValueError
        raise UsageError(f"can't read {path}: {error}") from error
    tool = found.get("tool")
    return tool.get("workerstate") if isinstance(tool, dict) else None


def _project(path: Path, table: Any) -> Project:
    if not isinstance(table, dict):
        raise UsageError(f"{path}: [tool.workerstate] is a table, not {table!r}")
    choices: dict[str, Any] = {"path": str(path)}
    for key, value in table.items():
        where = f"{path}: [tool.workerstate]"
        if key not in _KEYS:
            near = nearest(key, list(_KEYS))
            hint = f"did you mean {near!r}?" if near else f"known: {', '.join(_KEYS)}"
            raise UsageError(f"{where} has no key {key!r}; {hint}")
        choices[key.replace("-", "_")] = _value(f"{where} {key}", key, value)
    return Project(**choices)


def _value(where: str, key: str, value: Any) -> Any:
    """Give a key's value, if it is one."""
    if key in _LISTS:
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise UsageError(f"{where} = {value!r}: write a list of strings")
        return tuple(value) if key == "ignore-names" else tuple(each.upper() for each in value)
    if key == "timeout":
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not value > 0:
            raise UsageError(f"{where} = {value!r}: write seconds, more than 0")
        return float(value)
    if value not in TARGETS:
        raise UsageError(f"{where} = {value!r}: write one of {', '.join(TARGETS)}")
    return value
