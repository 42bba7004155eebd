"""The declaration that answers an audit's findings, and what none can answer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from workerstate.audit.anew import Opening, opening_of
from workerstate.facets import BUILTIN
from workerstate.values import Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from workerstate.audit.finding import Inherited

_MODULE = re.compile(r"sys\.modules\['([^']+)'\]")
# Findings about something live that fork copied, which a worker may make anew for itself: a random
# generator, a lock, a connection, and what one fork server has for all workers.
_LIVE = ("WS111", "WS501", "WS502", "WS53", "WS54")
_STREAM = "WS111"
_DRAW = "draw from workerstate.rng() in the task, with WorkerSpec(seed=...)"
# What begins the words for a value that only its maker can hand on, when it starts a worker.
_BOUND = tuple(
    f"{article}{name}"
    for article in ("", "a ")
    for name in (
        *(
            "multiprocessing.synchronize.",
            "multiprocessing.queues.",
            "multiprocessing.sharedctypes.",
        ),
        *("multiprocessing.connection.", "_thread.lock", "_thread.RLock", "generator"),
        *("_io.", "socket.socket", "sqlite3.Connection"),
    )
)
_HAND_ON = "it can't be sent: hand it on by initargs= or args=, or make it in each worker"
_DEFINE = "define it at the top level of its module"
_WIDTH = 88
_LINE = "\n" + 8 * " "


class Remedy(Value):
    """What a ``WorkerSpec`` is to say, by the findings that each part answers.

    Attributes:
        carry: what is carried, by finding.
        preload: the module that is imported first, by finding.
        anew: what each worker opens for itself, by finding.
        seeded: the findings that a seed answers.
        beyond: the findings that no declaration answers, and what to change in the code instead.
    """

    carry: tuple[tuple[Inherited, str], ...] = ()
    preload: tuple[tuple[Inherited, str], ...] = ()
    anew: tuple[tuple[Inherited, Opening], ...] = ()
    seeded: tuple[Inherited, ...] = ()
    beyond: tuple[tuple[Inherited, str], ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """What is carried, each once: facets first."""
        every = dict.fromkeys(name for _, name in self.carry)
        return tuple(sorted(every, key=lambda name: ":" in name))

    @property
    def modules(self) -> tuple[str, ...]:
        """The modules that are imported first, each once."""
        needed = [name for finding, _ in self.carry for name in finding.needs]
        return tuple(dict.fromkeys([*needed, *(name for _, name in self.preload)]))

    @property
    def openings(self) -> tuple[Opening, ...]:
        """What each worker opens for itself, each once."""
        return tuple(dict.fromkeys(opening for _, opening in self.anew))

    @property
    def declares(self) -> bool:
        """Whether there is anything that a declaration answers."""
        return bool(self.carry or self.preload or self.anew or self.seeded)

    def about(self, target: str) -> Remedy:
        """Give what answers the findings that hold under that start method."""

        def kept(rows: Any) -> Any:
            return tuple(row for row in rows if concerns(row[0], target))

        seeded = tuple(finding for finding in self.seeded if concerns(finding, target))
        return Remedy(
            kept(self.carry), kept(self.preload), kept(self.anew), seeded, kept(self.beyond)
        )

    def without(self, refused: Mapping[str, str]) -> Remedy:
        """Give the rest, if those names were refused when they were to be carried; with reasons."""
        beyond = [(finding, refused[name]) for finding, name in self.carry if name in refused]
        kept = tuple(row for row in self.carry if row[1] not in refused)
        rest: Remedy = self.replace(carry=kept, beyond=(*self.beyond, *beyond))
        return rest

    def code(self) -> str:
        """Give the declaration as Python code, for the top level of the program's main module."""
        if not self.declares:
            return ""
        names = ["Resource", "WorkerSpec"] if self.anew else ["WorkerSpec"]
        modules = sorted({o.module for o in self.openings} - {"__main__"})
        lines = [*(f"import {name}" for name in modules), *([""] if modules else [])]
        lines += [f"from workerstate import {', '.join(names)}", ""]
        for opening in self.openings:
            lines += ["", *opening.code().splitlines(), ""]
        lines += [""] if self.openings else []
        lines += _call("spec = WorkerSpec", self._options())
        return "\n".join(lines) + "\n"

    def call(self) -> str:
        """Give the call that makes the spec, on one line."""
        return f"WorkerSpec({', '.join(self._options())})"

    def _options(self) -> list[str]:
        options = []
        if self.names:
            options.append(f"carry={_listed(self.names)}")
        if self.seeded:
            options.append("seed=0")
        if self.modules:
            options.append(f"preload={_listed(self.modules)}")
        if self.openings:
            rows = [f'"{o.full}": Resource(open={o.function})' for o in self.openings]
            inside = (
                ", ".join(rows) if len(rows) == 1 else _LINE + f",{_LINE}".join(rows) + ",\n    "
            )
            options.append(f"resources={{{inside}}}")
        return options


def remedy_of(findings: Iterable[Inherited]) -> Remedy:
    """Give what answers those findings."""
    carry, preload, anew, seeded, beyond = [], [], [], [], []
    for finding in findings:
        module = _MODULE.fullmatch(finding.name)
        opening = _opening(finding)
        refused = _refused(finding)
        if finding.carry is not None and refused is None:
            carry.append((finding, finding.carry))
        elif refused is not None:
            beyond.append((finding, refused))
        elif module is not None:
            preload.append((finding, module[1]))
        elif opening is not None:
            anew.append((finding, opening))
        elif finding.name.startswith(("random:", "numpy:", "numpy.random", "torch:")):
            seeded.append(finding)
        else:
            reason = _DRAW if finding.code == _STREAM else finding.reason or finding.remedy
            beyond.append((finding, reason))
    return Remedy(tuple(carry), tuple(preload), tuple(anew), tuple(seeded), tuple(beyond))


def _refused(finding: Inherited) -> str | None:
    """Say why a value can't be carried, where its own words say so."""
    said = finding.parent or ""
    if finding.carry is None:
        return None
    if said.startswith(_BOUND):
        return _HAND_ON
    own = said.partition(" #")[0] in (f"class {finding.name}", f"function {finding.name}")
    return _DEFINE if own and finding.worker is None else None


def _opening(finding: Inherited) -> Opening | None:
    opening = opening_of(finding) if finding.code.startswith(_LIVE) else None
    # A generator that is made of a given seed would be the same one in each worker again.
    seeded = opening is not None and not opening.expression.endswith("()")
    return None if finding.code == _STREAM and seeded else opening


def worded(finding: Inherited) -> Inherited:
    """Give the finding with a remedy that says what is to be declared, if something is."""
    answer = remedy_of([finding])
    said = finding.remedy
    other = said[:1].lower() + said[1:]
    if answer.anew:
        said = f"{said.rstrip('.')}; audit --fix has code that opens it anew in each worker."
    elif answer.declares:
        said = f"Declare it: {answer.call()}. Or {other}"
    changed: Inherited = finding.replace(remedy=said)
    return changed


def concerns(finding: Inherited, target: str) -> bool:
    """Tell whether a finding holds under that start method."""
    return not finding.targets or target in finding.targets


def asked_about(finding: Inherited, carried: str) -> str:
    """Give what a worker is asked for, to see whether what was carried has arrived."""
    return finding.name if carried in BUILTIN and ":" in finding.name else carried


def _listed(names: Sequence[str]) -> str:
    return "[" + ", ".join(f'"{name}"' for name in names) + "]"


def _call(start: str, options: list[str]) -> list[str]:
    """Write a call on one line, or with an option on each."""
    line = f"{start}({', '.join(options)})"
    if len(line) <= _WIDTH and "\n" not in line:
        return [line]
    return [f"{start}(", *(f"    {option}," for option in options), ")"]
