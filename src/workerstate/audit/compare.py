"""Compares what the parent has with what a reference worker has, one value at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workerstate.values import Value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from workerstate.audit.shapes import Shape

_SHORT = 80


class Gap(Value):
    """How a value in a worker falls short of the parent's.

    ``kind`` is a key of ``rules.BY_KIND``; ``vague`` says that it may come of how values are made.
    """

    kind: str
    parent: str
    worker: str | None
    vague: bool = False


def compare(parent: Shape | None, worker: Shape | None, *, of_class: bool = False) -> Gap | None:
    """Tell what a worker lacks; None if nothing."""
    if parent is None:
        return None
    if "failed" in (parent["kind"], (worker or parent)["kind"]):
        return None
    said = parent["text"]
    if parent["kind"] == "mock":
        same = worker is not None and worker["kind"] == "mock"
        return None if same else Gap("patched", said, None if worker is None else worker["text"])
    if worker is None:
        return Gap("variable" if parent["kind"] == "variable" else "missing", said, None)
    if "test" in (parent["kind"], worker["kind"]):
        return _tested(parent, worker)
    if parent["kind"] == "sync" and worker["kind"] == "sync":
        return Gap("lock", f"{said}, shared with its forks", f"{said} of its own")
    if parent["kind"] in ("function", "class") or worker["kind"] == "function":
        return _code(parent, worker)
    if parent["kind"] == "variable" or worker["kind"] == "variable":
        return _variable(parent, worker)
    if parent["type"] != worker["type"]:
        return Gap(_different(of_class), said, worker["text"])
    if parent["kind"] in ("live", "sync", "sentinel"):
        return None
    return _data(parent, worker, of_class)


def _different(of_class: bool) -> str:
    return "class" if of_class else "different"


def _tested(parent: Shape, worker: Shape) -> Gap | None:
    both = {parent["type"], worker["type"]}
    if len(both) == 1 or both == {"none", "empty"}:
        return None
    return Gap("different", parent["text"], worker["text"])


def _code(parent: Shape, worker: Shape) -> Gap | None:
    if parent["digest"] == worker["digest"] and parent["kind"] == worker["kind"]:
        return None
    if (
        parent["kind"] == "class"
        and worker["kind"] == "class"
        and parent["title"] == worker["title"]
    ):
        return None
    both = parent["kind"] == worker["kind"] or "function" in (parent["kind"], worker["kind"])
    return Gap("patched" if both else "different", parent["text"], worker["text"])


def _variable(parent: Shape, worker: Shape) -> Gap | None:
    if parent["type"] == "unset" or parent["digest"] == worker["digest"]:
        return None
    return Gap("variable", parent["text"], worker["text"])


def _data(parent: Shape, worker: Shape, of_class: bool) -> Gap | None:
    if parent["digest"] == worker["digest"]:
        return None
    vague = parent["partial"] or worker["partial"] or parent["kind"] == "random"
    here, there = parent["parts"], worker["parts"]
    if parent["kind"] == "random" or not (here or there):
        return Gap(_different(of_class), _cut(parent["text"]), _cut(worker["text"]), vague)
    missing = [key for key in here if key not in there]
    changed = [key for key in here if key in there and here[key][0] != there[key][0]]
    extra = [key for key in there if key not in here]
    if not (missing or changed or extra):
        return None
    if missing and not changed and _is_registry(here):
        keys = _listed(missing)
        return Gap("registry", f"has {keys}", f"lacks {keys}", vague=False)
    return Gap(
        _different(of_class),
        _cut(_items(here, [*missing, *changed]) or parent["text"]),
        _cut(_items(there, [*changed, *extra]) or ("lacks " + _listed(missing))),
        vague and not missing and not extra,
    )


def _is_registry(parts: dict[str, Any]) -> bool:
    """Tell whether most of what a container holds is code."""
    texts = [text for _, text in parts.values()]
    code = [t for t in texts if t.startswith(("function ", "class ", "method"))]
    return bool(texts) and len(code) * 2 > len(texts)


def _items(parts: dict[str, Any], keys: Iterable[str]) -> str:
    shown = [f"{key.removeprefix('.')}: {parts[key][1]}" for key in list(keys)[:4] if key in parts]
    return ", ".join(shown)


def _listed(keys: list[str]) -> str:
    more = f" and {len(keys) - 4} more" if len(keys) > 4 else ""
    return ", ".join(key.removeprefix(".") for key in keys[:4]) + more


def _cut(text: str) -> str:
    return text if len(text) <= _SHORT else text[: _SHORT - 1] + "…"
