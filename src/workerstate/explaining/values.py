"""What an explanation says, as plain data."""

from __future__ import annotations

from typing import Any, Literal

from workerstate.values import Value

By = Literal["reference", "value"]


class Part(Value):
    """One thing that travels with the task.

    ``path`` leads to it from the task; ``what`` says what it is; ``size`` is in bytes of the
    pickle. What was met before on the way counts where it was met first.
    """

    path: str
    by: By
    what: str
    size: int


class Import(Value):
    """A module that the worker imports because of the task.

    ``when``: ``"start"`` (the main module, which spawn and forkserver load again), ``"unpickle"``
    (before the task's body) or ``"call"`` (if the task's code gets to that line). ``because`` is
    the path to what needs it. ``ms`` and ``modules`` are what it cost a fresh interpreter in
    which a worker's own modules were there already: time, and modules imported with it; None
    where it could not be measured. ``error`` says why a worker could not have it.
    """

    module: str
    when: Literal["start", "unpickle", "call"]
    because: str
    ms: float | None = None
    modules: int | None = None
    error: str | None = None


class Refusal(Value):
    """Something that can't be pickled, or can't be found again by the worker."""

    path: str
    error: str
    remedy: str


class Shipping(Value):
    """How one backend sends the task.

    ``by`` is how the task itself goes, ``parts`` what goes with it. ``size`` is in bytes, None if
    it can't be told. ``elsewhere`` says what would differ if the function lived in the main module
    or, where it does, in a module of its own.
    """

    backend: str
    pickler: str
    by: By
    size: int | None
    parts: tuple[Part, ...]
    imports: tuple[Import, ...]
    refusals: tuple[Refusal, ...]
    elsewhere: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def arrives(self) -> bool:
        """Whether a worker gets the task: it can be pickled, and read again there."""
        failed = [row for row in self.imports if row.error and row.when != "call"]
        return not self.refusals and not failed


class Explanation(Value):
    """What a task ships and imports, for each backend; ``str()`` is the text for a person."""

    task: str
    defined: str | None
    shippings: tuple[Shipping, ...]

    def __str__(self) -> str:
        from workerstate.explaining import words

        return words.text(self)

    def as_dict(self) -> dict[str, Any]:
        """Give plain data, such as JSON can hold."""
        plain: dict[str, Any] = _plain(self)
        return plain


def _plain(value: Any) -> Any:
    if isinstance(value, Value):
        return {name: _plain(getattr(value, name)) for name in value._fields}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
