"""Puts together what the requests and the answers say: the findings of one audit."""

from __future__ import annotations

import builtins
import sys
from typing import TYPE_CHECKING, Any

from workerstate.audit import settings, unseeded
from workerstate.audit.branches import branches
from workerstate.audit.compare import Gap, compare
from workerstate.audit.finding import Inherited
from workerstate.audit.places import Places, imported_from
from workerstate.audit.rules import BY_KIND, RULES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

TESTED = "?"


class Case:
    """One task under one target: what is known of it."""

    def __init__(
        self,
        request: dict[str, Any],
        target: str,
        values: dict[str, Any],
        facets: dict[str, dict[str, str]],
        places: Places,
    ) -> None:
        self.request = request
        self.target = target
        self.values = values
        self.facets = facets
        self.answers = request.get("answers", {}).get(target, [])
        self.reads = request["reads"]
        self.first = request["first"]
        self.places = places
        self.followed = {(f, line) for f, line, _ in self.reads["followed"]}
        self.followed |= {(f, line) for f, line, _ in self.first["followed"]}

    @property
    def answer(self) -> dict[str, Any]:
        """What the first reference worker said."""
        found: dict[str, Any] = self.answers[0]
        return found

    @property
    def set_up_by_library(self) -> bool:
        """Whether the initializer calls a library, which may make in a worker what it needs."""
        names = {name.partition(".")[0] for name in self.first["calls"]}
        return not names <= {*sys.stdlib_module_names, *dir(builtins)}

    def finding(
        self, kind: str, name: str, sentence: str, *, parent: str | None, worker: str | None,
        read: str | None = None, set_: str | None = None, carry: str | None = None,
        reason: str = "",
    ) -> Inherited:  # fmt: skip
        """Make a finding of this task."""
        rule = RULES[BY_KIND[kind]]
        return Inherited(
            code=rule.code,
            name=name,
            kind=kind,
            task=self.request["task"],
            where_set=set_,
            where_read=read or None,
            parent=parent,
            worker=worker,
            remedy=rule.remedy,
            sentence=sentence,
            targets=(self.target,),
            carry=carry,
            reason=reason,
        )


def findings(requests: Sequence[dict[str, Any]], targets: Any) -> list[Inherited]:
    """Give all findings, each name once, by code and name."""
    files: dict[str, str] = {}
    later: dict[str, list[Any]] = {}
    late: dict[str, list[dict[str, str]]] = {}
    for request in requests:
        if "again" in request:
            later.setdefault(request["task"], []).append(request)
            late.setdefault(request["task"], []).extend(request["late"])
        else:
            files.update(request["module_files"])
    places = Places(files)
    rows: list[Inherited] = []
    for request in requests:
        if "again" in request:
            continue
        request["late"] += late.get(request["task"], [])
        for target in targets(request):
            rows += _of_task(Case(request, target, request["values"], request["facets"], places))
            for again in later.get(request["task"], ()):
                rows += _of_task(Case(request, target, again["again"], again["facets"], places))
    return _merged(rows)


def _of_task(case: Case) -> Iterator[Inherited]:
    yield from _for_any(case)
    if case.target == "fork":
        yield from _shared_by_fork(case)
        yield from _set_late(case)
    elif case.answers:
        yield from _unimportable(case)
        yield from _lacking(case)
        yield from settings.findings(case)
        yield from unseeded.findings(case)
        if case.target == "forkserver":
            yield from _shared_by_server(case)
    if case.target != "fork":
        yield from _branches(case)
    if case.target in ("spawn", "forkserver"):
        yield from _unguarded(case)
        yield from _unsendable(case)


# --- what a fresh worker would not have


def _lacking(case: Case) -> Iterator[Inherited]:
    by_root: dict[str, list[tuple[tuple[str, ...], Gap]]] = {}
    for key, parent in case.values.items():
        root, *steps = key.split("\t")
        if key not in case.answer["values"] or _arrives(case, root):
            continue
        of_class = _is_class_attribute(root)
        gap = compare(parent, case.answer["values"][key], of_class=of_class)
        if gap is not None:
            by_root.setdefault(root, []).append((tuple(steps), gap))
    gone = {root for root, gaps in by_root.items() if all(g.worker is None for _, g in gaps)}
    for root, gaps in by_root.items():
        if root.rpartition(".")[0] in gone:
            continue  # the class itself is not there
        chains = [chain for chain, _ in gaps]
        if not _is_of_library(case, root) and _manages_itself(case, root, chains, gaps):
            continue
        kept = [
            (c, g)
            for c, g in gaps
            if not g.vague or case.places.outside(root, chains, case.followed)
        ]
        if _is_of_library(case, root):
            kept = [(c, g) for c, g in kept if _tells_for_library(case, root, g)]
        if kept:
            chain, gap = min(kept, key=lambda row: (row[0][-1:] == (TESTED,), len(row[0])))
            yield _lack(case, root, chain, gap, chains)


def _lack(
    case: Case, root: str, chain: tuple[str, ...], gap: Gap, chains: list[tuple[str, ...]]
) -> Inherited:
    name = _home(case, root)
    steps = "".join(step for step in chain if step not in (TESTED, "!", "*"))
    shown = f"{name}{steps}" if not steps.startswith(("(", "{")) else name
    if (case.values.get(root) or {}).get("kind") == "function" and steps.startswith("."):
        name = shown  # an attribute that the program hung on its function
    here = "is not there" if gap.worker is None else f"is {gap.worker}"
    read = _where_read(case, root, chain)
    carry = None if gap.kind == "lock" else _carry(case, name)
    return case.finding(
        gap.kind,
        name,
        f"{shown} is {gap.parent} in the parent and {here} in a {case.target} worker, and "
        f"{case.request['task']} reads it",
        parent=gap.parent,
        worker=gap.worker,
        read=read,
        set_=case.places.where(name, chains, case.followed),
        carry=carry,
        reason="" if carry else RULES[BY_KIND[gap.kind]].remedy,
    )


def _where_read(case: Case, root: str, chain: tuple[str, ...]) -> str | None:
    rows = (case.reads["names"].get(root) or []) + (case.reads["library"].get(root) or [])
    exact = [at for steps, at in rows if tuple(steps) == chain]
    for at in (*exact, *(at for _, at in rows)):
        if not at.startswith(":"):
            return str(at)
    return None


def _carry(case: Case, name: str) -> str | None:
    """Give the name as a declaration takes it: module:NAME."""
    module = name
    while "." in module:
        module = module.rpartition(".")[0]
        if module in case.request["module_files"] or module == "__main__":
            return f"{module}:{name[len(module) + 1 :]}"
    module, _, rest = name.partition(".")
    return f"{module}:{rest}" if rest else None


def _arrives(case: Case, root: str) -> bool:
    """Tell whether the initializer sets it, it is sent along, or it can't be known."""
    if any(store == root or root.startswith(store + ".") for store in case.first["stores"]):
        return True
    unseen = case.target == "loky" or not case.request.get("with_main", True)
    return unseen and root.startswith("__main__.")


def _manages_itself(
    case: Case, root: str, chains: list[tuple[str, ...]], gaps: list[tuple[tuple[str, ...], Gap]]
) -> bool:
    """Tell whether the task's own code sets what it reads: a cache, or what is made when needed."""
    if root not in case.reads["stores"]:
        return False
    # Of what is made when needed (a singleton), the attributes that others set are the parent's.
    direct = case.places.outside(root, (), case.followed)
    if len(case.places.outside(root, chains, case.followed)) > len(direct):
        return False
    if not direct:
        return True
    tested = any(list(steps)[-1:] == [TESTED] for steps, _ in case.reads["names"].get(root, ()))
    empty = all(gap.worker in ("None", "{}", "[]", "False", "set()", None) for _, gap in gaps)
    return tested and empty


def _is_class_attribute(root: str) -> bool:
    owner = root.rpartition(".")[0].rpartition(".")[2]
    return owner[:1].isupper() or owner.lstrip("_")[:1].isupper()


def _is_of_library(case: Case, root: str) -> bool:
    return root in case.reads["library"]


def _tells_for_library(case: Case, root: str, gap: Gap) -> bool:
    """Of libraries only what the program put there counts."""
    if gap.kind in ("patched", "missing"):
        return True
    return bool(case.places.of(root))


def _home(case: Case, root: str) -> str:
    """Give the name of an object where it was made, not where it was imported."""
    others = case.request["origins"].get(root, [])
    files = case.request["module_files"]
    for name in [root, *others]:
        module, _, attribute = name.rpartition(".")
        path = files.get(module)
        source = imported_from(module, path, attribute) if path else None
        if source is not None and source in others:
            return source
    return root


def _failed(case: Case) -> dict[str, str]:
    found: dict[str, str] = case.answer["failed"] if case.answers else {}
    return found


def _unimportable(case: Case) -> Iterator[Inherited]:
    for module, error in case.answer["failed"].items():
        if case.set_up_by_library and module in case.reads["imports"]:
            continue  # it is imported by the task, after that
        yield case.finding(
            "unimportable",
            f"sys.modules['{module}']",
            f"a {case.target} worker can't import {module}, which the task "
            f"{case.request['task']} needs to be read: {error}",
            parent="imported",
            worker=error,
            reason="make the module importable: a file on the import path",
        )


def _unguarded(case: Case) -> Iterator[Inherited]:
    stack = case.request["stack"]
    if not case.request["main_guarded"]:
        yield case.finding(
            "unguarded",
            "__main__",
            f"{stack['path']}:{stack['line']} starts workers outside of "
            f"if __name__ == '__main__': a {case.target} worker runs it again when it imports "
            "the script, and fails",
            parent="runs once",
            worker="would run again",
            read=f"{stack['path']}:{stack['line']}",
            reason="put it below if __name__ == '__main__':",
        )
    elif case.request.get("main_failed") not in (None, *_failed(case).values()):
        yield case.finding(
            "unguarded",
            "__main__",
            f"a {case.target} worker can't import the main module: {case.request['main_failed']}",
            parent="runs once",
            worker=case.request["main_failed"],
            reason="put what only the parent can do below if __name__ == '__main__':",
        )


def _branches(case: Case) -> Iterator[Inherited]:
    for module, path in case.request["module_files"].items():
        for name, line in branches(module, path):
            yield case.finding(
                "branch",
                name,
                f"{name} does something else where the start method is {case.target}: it compares "
                "it to fork",
                parent="fork",
                worker=case.target,
                read=f"{path}:{line}",
                reason="ask for what is needed rather than for the start method",
            )


def _unsendable(case: Case) -> Iterator[Inherited]:
    if case.request["by"] == "pool":
        return  # it pickles its tasks under fork too, and says so
    for way, what, kind in case.request["arguments"]["unsendable"]:
        name = what if kind == "function" else f"{case.request['task'].replace(':', '.')}"
        yield case.finding(
            "unsendable",
            name,
            f"{way} of the process can't be pickled ({what}): under {case.target} it can't start",
            parent=what,
            worker=None,
            reason="define functions at the top of a module; make connections in the worker",
        )


def _set_late(case: Case) -> Iterator[Inherited]:
    for row in case.request["late"]:
        root = row["root"]
        outside = case.places.outside(root, (), case.followed)
        if _arrives(case, root) or (root in case.reads["stores"] and not outside):
            continue
        name = _home(case, root)
        yield case.finding(
            "missing" if row["new"] else "different",
            name,
            f"{name} was set after the pool's workers were forked: they have what was there "
            f"before, and {case.request['task']} reads it",
            parent=row["text"],
            worker=None if row["new"] else "what was there when the pool was made",
            read=_where_read(case, root, ()),
            set_=case.places.where(name, (), case.followed),
            carry=None if ":" in name else _carry(case, name),
            reason="set it before the pool is made, or send it with the tasks",
        )


# --- what a worker would wrongly share


_SHARED = {
    "lock": "held",
    "holder": "thread",
    "connection": "connection",
    "thread": "thread",
    "file": "file",
    "random": "stream",
    "loop": "runtime",
    "runtime": "runtime",
}


def _shared_by_fork(case: Case) -> Iterator[Inherited]:
    for row in case.request["sharing"]:
        root = row["root"]
        if _arrives(case, root) or (row["what"] != "lock" and _replaces(case, root)):
            continue
        name = _home(case, root)
        yield case.finding(
            _SHARED[row["what"]],
            name,
            _said_of_fork(case, row, name),
            parent=row["text"],
            worker="a copy of it",
            read=_where_read(case, root, ()) or row.get("where"),
            set_=row.get("where") or case.places.where(name, (), case.followed),
            reason="make it in the worker (initializer=), or start the workers first",
        )


def _replaces(case: Case, root: str) -> bool:
    """Tell whether the task makes its own, even where there is one already."""
    tested = any(list(steps)[-1:] == [TESTED] for steps, _ in case.reads["names"].get(root, ()))
    return root in case.reads["stores"] and not tested


def _said_of_fork(case: Case, row: dict[str, Any], name: str) -> str:
    task = case.request["task"]
    if row["what"] == "lock":
        return (
            f"{name} is {row['text']} when workers are forked, and {task} takes it: it may wait "
            "for ever"
        )
    if row["what"] == "holder":
        return (
            f"{name} takes {row['lock']}, is not copied by a fork, and {task} waits for that lock"
        )
    if row["what"] == "random":
        return (
            f"each forked worker has a copy of {name} in one state, and {task} draws from it: "
            "the same numbers"
        )
    return f"{name} ({row['text']}) is copied into forked workers, and {task} uses it"


def _shared_by_server(case: Case) -> Iterator[Inherited]:
    server = set(case.answer["server"])
    for row in case.request["sharing_at_import"]:
        root = row["root"]
        module = row["module"]
        imported = module in server or (module == "__main__" and "__mp_main__" in server)
        if not imported or _arrives(case, root) or root in case.reads["stores"]:
            continue
        if case.places.outside(root, (), case.followed):
            continue
        name = _home(case, root)
        yield case.finding(
            "server",
            name,
            f"{name} ({row['text']}) is made when the fork server imports {module}: all workers "
            f"share that one, and {case.request['task']} uses it",
            parent=row["text"],
            worker="the fork server's, for all workers",
            read=_where_read(case, root, ()),
            set_=case.places.where(name, (), case.followed),
            reason="make it in the worker (initializer=), not at import",
        )


def _for_any(case: Case) -> Iterator[Inherited]:
    for name, (why, at) in case.reads["exceptions"].items():
        yield case.finding(
            "exception",
            name,
            f"{case.request['task']} raises {name}, which can't be made again from a pickle: {why}",
            parent=name,
            worker=why,
            read=at,
            reason="give Exception.__init__ all arguments, or define __reduce__",
        )
    if case.request["by"] == "pool" or case.target != "fork":
        for root in case.request["arguments"]["copied"]:
            yield case.finding(
                "identity",
                _home(case, root),
                f"{root} is known by its identity, and arrives in a worker as a copy: the "
                f"comparison by 'is' in {case.request['task']} fails",
                parent="one object",
                worker="a copy that is another object",
                read=case.reads["identity"].get(root),
                set_=case.places.where(root, (), case.followed),
                reason="use an enum member or None, or give its class __reduce__",
            )


def _merged(rows: Iterable[Inherited]) -> list[Inherited]:
    """Give each name once: all its tasks and targets together."""
    found: dict[str, Inherited] = {}
    for row in rows:
        known = found.get(row.name)
        if known is None:
            found[row.name] = row
            continue
        tasks = list(dict.fromkeys([*known.task.split(", "), *row.task.split(", ")]))
        goals = tuple(dict.fromkeys([*known.targets, *row.targets]))
        found[row.name] = known.replace(task=", ".join(tasks), targets=goals)
    return sorted(found.values(), key=lambda row: (row.code, row.name))
