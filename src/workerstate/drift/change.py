"""One change that a task left behind in its worker, and the sentence that says it."""

from __future__ import annotations

from workerstate.values import Value


class Drift(Value):
    """One change that a task left behind in its worker; ``str()`` is a sentence.

    Fields:
        task: the function, as ``module.name``.
        facet: the kind of state.
        key: what of it changed.
        before: what it was, in words that are safe to show; None: it was not there.
        after: what it is now; None: it is not there any more.
        policy: what the spec says about that facet: ``warn``, ``error``, ``reset``, ``retire``.
        number: the worker's.
        pid: the worker's process.
        since: how many tasks of this worker it may have been, this one included; 1 where each was
            looked at.
        problem: what the policy asks for and could not be done, with the reason.
    """

    task: str
    facet: str
    key: str
    before: str | None
    after: str | None
    policy: str
    number: int = 0
    pid: int = 0
    since: int = 1
    problem: str = ""

    def __str__(self) -> str:
        who = self.task
        if self.since > 1:
            who = f"one of the last {self.since} tasks (the last one: {self.task})"
        if not self.facet:
            return f"{who}, in worker {self.number} (pid {self.pid}): {self.problem}"
        said = f"{who} {_what(self)}, in worker {self.number} (pid {self.pid})"
        return f"{said}; {self.problem}" if self.problem else said


def _what(drift: Drift) -> str:
    say = _SENTENCES.get(drift.facet, _say_change)
    return say(drift)


def _say_change(drift: Drift) -> str:
    key = f"{drift.facet}: {drift.key}"
    if drift.before is None:
        return f"set {key} to {drift.after}"
    if drift.after is None:
        return f"removed {key} (it was {drift.before})"
    return f"changed {key} from {drift.before} to {drift.after}"


def _say_logging(drift: Drift) -> str:
    name, _, attribute = drift.key.rpartition(".")
    if attribute != "handlers":
        return _say_change(drift)
    logger = "the root logger" if name == "root" else f"logger {name!r}"
    before, after = drift.before or "", drift.after or ""
    if not before.startswith(after) and not after.startswith(before):
        return f"changed the handlers of {logger} from {before} to {after}"
    verb, more, less = ("added", after, before)
    if len(before) > len(after):
        verb, more, less = ("removed", before, after)
    count = len(more.split(", ")) - (len(less.split(", ")) if less else 0)
    word = "a handler" if count == 1 else f"{count} handlers"
    where = "to" if verb == "added" else "from"
    return f"{verb} {word} {where} {logger} ({more.removeprefix(less).lstrip(', ')})"


def _say_threads(drift: Drift) -> str:
    if drift.key == "threads":
        return f"left threads running: {drift.after} (before: {drift.before})"
    return f"left threads running: {drift.after} (before: {drift.before or 'none'})"


def _say_growth(drift: Drift) -> str:
    what = "memory" if drift.facet == "memory" else "open files"
    return f"is the task at which {what} had grown from {drift.before} to {drift.after}"


def _say_module(drift: Drift) -> str:
    entry = f"sys.modules[{drift.key!r}]"
    if drift.before is None:
        return f"put {drift.after} into {entry}"
    if drift.after is None:
        return f"removed {entry}"
    return f"replaced {entry}: {drift.before} by {drift.after}"


_SENTENCES = {
    "logging": _say_logging,
    "threads": _say_threads,
    "memory": _say_growth,
    "fds": _say_growth,
    "sys_modules": _say_module,
}
