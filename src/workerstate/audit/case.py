"""One task under one target, with what the parent and the reference workers said of it."""

from __future__ import annotations

import builtins
import sys
from typing import TYPE_CHECKING, Any

from workerstate.audit.finding import Inherited
from workerstate.audit.known import TESTED
from workerstate.audit.places import imported_from
from workerstate.audit.rules import BY_KIND, RULES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from workerstate.audit.places import Places, Store


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
        needs: Iterable[str] = (), reason: str = "",
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
            needs=tuple(needs),
            reason=reason,
        )

    def rows(self, root: str) -> list[list[Any]]:
        """Give the ways in which a root is read, with where: by the task, then the initializer."""
        tables = [
            reads[name] for reads in (self.reads, self.first) for name in ("names", "library")
        ]
        return [row for table in tables for row in table.get(root, ())]

    def is_tested(self, root: str) -> bool:
        """Tell whether the code asks whether there is something."""
        return any(list(steps)[-1:] == [TESTED] for steps, _ in self.rows(root))

    def reader(self, root: str) -> str:
        """Say who reads a root: the task, or what runs before it."""
        task = self.request["task"]
        if root in self.reads["names"] or root in self.reads["library"]:
            return str(task)
        return f"the initializer before {task}"

    def where_read(self, root: str, chain: tuple[str, ...]) -> str | None:
        """Give the first place that reads a root, by way of ``chain`` if possible."""
        rows = self.rows(root)
        exact = [at for steps, at in rows if tuple(steps) == chain]
        for at in (*exact, *(at for _, at in rows)):
            if not at.startswith(":"):
                return str(at)
        return None

    def carry(self, name: str) -> str | None:
        """Give the name as a declaration takes it: module:NAME."""
        module = name
        while "." in module:
            module = module.rpartition(".")[0]
            if module in self.request["module_files"] or module == "__main__":
                return f"{module}:{name[len(module) + 1 :]}"
        module = self.request["homes"].get(name) or name.partition(".")[0]
        rest = name[len(module) + 1 :]
        return f"{module}:{rest}" if rest else None

    def arrives(self, root: str) -> bool:
        """Tell whether the initializer sets it, it is sent along, or it can't be known."""
        if any(store == root or root.startswith(store + ".") for store in self.first["stores"]):
            return True
        # By names that are computed: which, is not known.
        owner = root.rpartition(".")[0]
        if owner in self.first["open_stores"] or owner in self.reads["open_stores"]:
            return True
        unseen = self.target == "loky" or not self.request.get("with_main", True)
        return unseen and root.startswith("__main__.")

    def is_cleared(self, root: str) -> bool:
        """Tell whether only the initializer asks for it, and only whether there is one.

        It has it closed, or forgets it: a worker that begins without one need not do that.
        """
        steps = {tuple(steps) for steps, _ in self.rows(root)}
        return steps == {(TESTED,)} and not (
            root in self.reads["names"] or root in self.reads["library"]
        )

    def is_counted(self, root: str) -> bool:
        """Tell whether all that reads a root adds to it: what is there makes no difference."""
        read: set[str] = set()
        for reads in (self.reads, self.first):
            table = reads["everywhere"].get("reads", {})
            read.update(at for key in table if key.split("\t")[0] == root for at in table[key])
        return bool(read) and read <= self.places.counted(root)

    def is_made(self, root: str) -> bool:
        """Tell whether what the initializer sets, it sets only where there is nothing yet."""
        return root in self.first["makers"] and root not in self.first["given"]

    def outside(self, root: str, chains: Iterable[tuple[str, ...]] = ()) -> list[Store]:
        """Give the places that set a root, which neither an import nor the task's own code runs."""
        found = self.places.outside(root, chains, self.followed)
        # What a method of the program's own does to its object is in the method's own lines.
        own = self.request["methods"].get(root, ())
        return [store for store in found if store.target != root or store.method not in own]

    def home(self, root: str) -> str:
        """Give the name of an object where it was made, not where it was imported."""
        others = self.request["origins"].get(root, [])
        if root in self.reads["replaced"]:
            return next((name for name in (root, *others) if self.places.of(name)), root)
        files = self.request["module_files"]
        for name in [root, *others]:
            module, _, attribute = name.rpartition(".")
            path = files.get(module)
            source = imported_from(module, path, attribute) if path else None
            if source is not None and source in others:
                return source
        return self._plain_home(root) if not others else root

    def _plain_home(self, root: str) -> str:
        """Give where a plain value was imported from, if nobody has set it since."""
        files = self.request["module_files"]
        module, _, attribute = root.rpartition(".")
        path = files.get(module)
        source = imported_from(module, path, attribute) if path else None
        if source is None or source.rpartition(".")[0] not in files:
            return root
        return root if self.places.outside(root, (), set()) else source
