"""What a worker would wrongly share with its parent, or with the other workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workerstate.audit.case import Case
    from workerstate.audit.finding import Inherited

# What is shared -> the kind of the finding.
_KINDS = {
    "lock": "held",
    "holder": "thread",
    "connection": "connection",
    "thread": "thread",
    "file": "file",
    "random": "stream",
    "loop": "runtime",
    "runtime": "runtime",
    "unflushed": "file",
    "temporary": "temporary",
    "handler": "handler",
    "pid": "pid",
}


def by_fork(case: Case) -> Iterator[Inherited]:
    """Give what forked workers have a copy of that was meant for one process."""
    for row in case.request["sharing"]:
        root = row["root"]
        own = case.arrives(root) or (row["what"] != "lock" and _replaces(case, root))
        if own and row["what"] != "temporary":
            continue
        if _is_reset(case, row.get("lock", root)):
            continue
        name = case.home(root)
        yield case.finding(
            _KINDS[row["what"]],
            name,
            _said_of_fork(case, row, name),
            parent=row["text"],
            worker="a copy of it",
            read=case.where_read(root, ()) or row.get("where"),
            set_=row.get("where") or case.places.where(name, (), case.followed),
            reason="make it in the worker (initializer=), or start the workers first",
        )


def _is_reset(case: Case, root: str) -> bool:
    """Tell whether the program sets it anew in each process that is forked."""
    return any(store.in_forked for store in case.places.of(root))


def _replaces(case: Case, root: str) -> bool:
    """Tell whether the task makes its own, even where there is one already."""
    return root in case.reads["stores"] and not case.is_tested(root)


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
    if row["what"] == "unflushed":
        return (
            f"{name} has {row['text']} when workers are forked: each writes that once more when "
            f"{task} writes to it"
        )
    if row["what"] == "temporary":
        return (
            f"{name} ({row['text']}) is copied into forked workers, which set it anew: the copy "
            "is cleaned up then, and removes what is the parent's"
        )
    if row["what"] == "handler":
        return (
            f"forked workers have the parent's handler of SIGTERM, {row['text']}: it runs in each "
            "worker that is terminated"
        )
    if row["what"] == "pid":
        return f"{name} is {row['text']}; forked workers have it as it is, and {task} reads it"
    if row["what"] == "random":
        return (
            f"each forked worker has a copy of {name} in one state, and {task} draws from it: "
            "the same numbers"
        )
    return f"{name} ({row['text']}) is copied into forked workers, and {task} uses it"


def by_server(case: Case) -> Iterator[Inherited]:
    """Give what the import of a fork server makes once for all its workers."""
    server = set(case.answer["server"])
    for row in case.request["sharing_at_import"]:
        root = row["root"]
        module = row["module"]
        # The server has a main module of its own; the program's goes by the other name in it.
        imported = ("__mp_main__" if module == "__main__" else module) in server
        if not imported or case.arrives(root) or root in case.reads["stores"]:
            continue
        if case.outside(root):
            continue
        name = case.home(root)
        yield case.finding(
            "server",
            name,
            f"{name} ({row['text']}) is made when the fork server imports {module}: all workers "
            f"share that one, and {case.request['task']} uses it",
            parent=row["text"],
            worker="the fork server's, for all workers",
            read=case.where_read(root, ()),
            set_=case.places.where(name, (), case.followed),
            reason="make it in the worker (initializer=), not at import",
        )
