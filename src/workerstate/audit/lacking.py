"""What a worker would not have of what its task reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workerstate.audit.compare import compare
from workerstate.audit.known import CACHED, NAMED, TESTED
from workerstate.audit.rules import BY_KIND, RULES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workerstate.audit.case import Case
    from workerstate.audit.compare import Gap
    from workerstate.audit.finding import Inherited
    from workerstate.audit.shapes import Shape


def missing(case: Case) -> Iterator[Inherited]:
    """Give the names that a reference worker has otherwise than the parent, or not at all."""
    by_root: dict[str, list[tuple[tuple[str, ...], Gap]]] = {}
    made = case.answer.get("made", {})
    for key, parent in case.values.items():
        root, *steps = key.split("\t")
        if key not in case.answer["values"]:
            continue
        if case.arrives(root) and not (key in made and case.is_made(root)):
            continue
        of_class = _is_class_attribute(case, root)
        there = case.answer["values"][key]
        if key in made:
            if steps and steps[-1].startswith(".") and steps[-1][1:] in _changes(case):
                continue
            parent, there = _of_made(case, parent), _of_made(case, made[key])
        if case.is_cleared(root) and not (parent or {}).get("plain", True):
            continue
        gap = compare(parent, there, of_class=of_class)
        if gap is not None and not (gap.worker is not None and case.is_counted(root)):
            by_root.setdefault(root, []).append((tuple(steps), gap))
    gone = {root for root, gaps in by_root.items() if all(g.worker is None for _, g in gaps)}
    for root, gaps in by_root.items():
        if root.rpartition(".")[0] in gone:
            continue  # the class itself is not there
        chains = [chain for chain, _ in gaps]
        is_made = any("\t".join((root, *chain)) in made for chain in chains)
        if not (is_made or _is_of_library(case, root)) and _manages_itself(
            case, root, chains, gaps
        ):
            continue
        is_set = case.outside(root, chains) or case.reads["replaced"].get(root)
        kept = [(c, g) for c, g in gaps if not g.vague or is_set]
        if _is_of_library(case, root):
            kept = [(c, g) for c, g in kept if _tells_for_library(case, root, c, g)]
        if kept:
            chain, gap = min(kept, key=lambda row: (row[0][-1:] == (TESTED,), len(row[0])))
            yield _lack(case, root, chain, gap, chains)


def _of_made(case: Case, shape: Shape | None) -> Shape | None:
    """Give what a task made, or would: as far as it reads it, and doesn't change it itself."""
    if shape is None or not shape["parts"]:
        return shape
    reads, own = {**case.reads["attributes"], **case.first["attributes"]}, _changes(case)
    parts = {
        key: part
        for key, part in shape["parts"].items()
        if not key.startswith(".") or (key[1:] in reads and key[1:] not in own)
    }
    return {**shape, "parts": parts, "digest": str(sorted(parts.items()))}


def _changes(case: Case) -> set[str]:
    return {*case.reads["changes"], *case.first["changes"]}


def _lack(
    case: Case, root: str, chain: tuple[str, ...], gap: Gap, chains: list[tuple[str, ...]]
) -> Inherited:
    name = case.home(root)
    steps = "".join(step for step in chain if step not in (TESTED, "!", "*", CACHED, NAMED))
    shown = f"{name}{steps}" if not steps.startswith(("(", "{")) else name
    if (case.values.get(root) or {}).get("kind") == "function" and steps.startswith("."):
        name = shown  # an attribute that the program hung on its function
    verb = "" if gap.kind == "registry" else "is "
    there = "is not there" if gap.worker is None else gap.worker
    here = there if there.startswith(("is not ", "lacks ")) else f"{verb}{there}"
    read = case.where_read(root, chain)
    # What is in a closure has no name by which a declaration could set it.
    closed = gap.kind == "registry" and steps.startswith("{")
    fixed = closed or CACHED in chain or gap.kind == "lock" or root in case.request["fixed"]
    # A plain value that was imported from elsewhere is the reader's own.
    carried = name if root in case.request["origins"] or name.startswith(root) else root
    carry = None if fixed else case.carry(carried)
    return case.finding(
        gap.kind,
        name,
        f"{shown} {verb}{gap.parent} in the parent and {here} in a {case.target} worker, and "
        f"{case.reader(root)} reads it",
        parent=gap.parent,
        worker=gap.worker,
        read=read,
        set_=case.places.where(name, chains, case.followed) or case.reads["replaced"].get(root),
        carry=carry,
        needs=[m for m in case.request["behind"].get(root, ()) if m in case.answer["unfound"]],
        reason="" if carry else RULES[BY_KIND[gap.kind]].remedy,
    )


def _manages_itself(
    case: Case, root: str, chains: list[tuple[str, ...]], gaps: list[tuple[tuple[str, ...], Gap]]
) -> bool:
    """Tell whether the task's own code sets what it reads: a cache, or what is made when needed."""
    if root not in case.reads["stores"]:
        return False
    # Of what is made when needed (a singleton), the attributes that others set are the parent's.
    if any(gap.kind == "lock" for _, gap in gaps):
        return False  # what changes is the memory behind it
    direct = case.outside(root)
    if len(case.outside(root, chains)) > len(direct):
        return False
    if not direct:
        return True
    tested = case.is_tested(root)
    empty = all(gap.worker in ("None", "{}", "[]", "False", "set()", None) for _, gap in gaps)
    return tested and empty


def _is_class_attribute(case: Case, root: str) -> bool:
    if case.request["homes"].get(root) == root.rpartition(".")[0]:
        return False
    owner = root.rpartition(".")[0].rpartition(".")[2]
    return owner[:1].isupper() or owner.lstrip("_")[:1].isupper()


def _is_of_library(case: Case, root: str) -> bool:
    return root in case.reads["library"] or root in case.first["library"]


def _tells_for_library(case: Case, root: str, chain: tuple[str, ...], gap: Gap) -> bool:
    """Of libraries only what the program put there counts."""
    if root in case.reads["replaced"]:
        # A library doesn't ask for what is not its own; the task's code may.
        return gap.worker is not None or bool(chain)
    if gap.kind in ("patched", "missing"):
        return True
    return bool(case.places.of(root))


def unsent(case: Case) -> Iterator[Inherited]:
    """Give the classes of what is sent with a task that a worker doesn't have."""
    for root in case.answer["unsent"]:
        if case.arrives(root):
            continue
        name = case.home(root)
        yield case.finding(
            "missing",
            name,
            f"{name} is a class in the parent and is not there in a {case.target} worker, which "
            f"needs it to read what is sent to {case.request['task']}",
            parent=f"class {name}",
            worker=None,
            set_=case.places.where(name, (), case.followed),
            reason="make the class at the top of its module, or call what makes it in each worker",
        )


def set_late(case: Case) -> Iterator[Inherited]:
    """Give what the parent set after the workers of a pool were started.

    Of workers that were not forked this is the environment: nothing else reaches them anyway.
    """
    for row in case.request["late"]:
        root = row["root"]
        if case.target != "fork" and not root.startswith("environ:"):
            continue
        outside = case.outside(root)
        if case.arrives(root) or (root in case.reads["stores"] and not outside):
            continue
        name = case.home(root)
        yield case.finding(
            "missing" if row["new"] else "different",
            name,
            f"{name} was set after the pool's workers were started: they have what was there "
            f"before, and {case.request['task']} reads it",
            parent=row["text"],
            worker=None if row["new"] else "what was there when the pool was made",
            read=case.where_read(root, ()),
            set_=case.places.where(name, (), case.followed),
            carry=None if ":" in name else case.carry(name),
            reason="set it before the pool is made, or send it with the tasks",
        )
