"""Watches a backend's pickler at work: what goes by reference, what by value, what not at all.

The pickler of the standard library that is written in Python is the only one that says where it
is. It is given the reducers of the backend's own pickler, so that it takes the same decisions.
"""

from __future__ import annotations

import pickle
import time
import types
from itertools import chain
from typing import Any, ClassVar

from workerstate.explaining.deadline import OverdueError, within
from workerstate.explaining.functions import parameter_names
from workerstate.explaining.paths import NAMED, VALUE, Step, is_key, path
from workerstate.explaining.picklers import PROTOCOL, Backend, mapped
from workerstate.explaining.values import By, Part
from workerstate.fingerprint.classes import ModuleType, name_of
from workerstate.fingerprint.walk import SCALARS

Payload = tuple[Any, tuple[Any, ...], dict[str, Any]]
MUCH = 64 << 10  # bytes of what is listed though no name of the program's leads to it
MOST_PARTS = 200
MOST_REFUSALS = 10
_BULK = 100  # items of plain data that are counted at once
_WRAPPING = 13  # bytes that a pickle has around its value: protocol, frame, end, memo


_Pickler: Any = vars(pickle)["_Pickler"]


class Sink:
    """A file that counts bytes and keeps none."""

    def __init__(self, deadline: float = float("inf")) -> None:
        self.size = 0
        self.deadline = deadline

    def write(self, data: Any) -> int:
        """Count what a pickler writes.

        Raises:
            OverdueError: the time is over.
        """
        if time.monotonic() > self.deadline:
            raise OverdueError
        size = memoryview(data).nbytes
        self.size += size
        return size

    def take(self, buffer: Any) -> None:
        """Count a buffer that a pickler would have copied."""
        self.size += buffer.raw().nbytes


class Tracer(_Pickler):  # type: ignore[misc]
    """Pickles a task and its arguments for nobody, and says what it met.

    ``references`` maps (module, name) to the path of what needs it; the name is empty for a
    module. ``refusals`` are pairs of a path and an exception. ``functions`` are those that go by
    value. What is refused is left out, so that all of it is found.
    """

    def __init__(self, backend: Backend, arguments: list[str], deadline: float) -> None:
        self.sink = Sink(deadline)
        super().__init__(self.sink, PROTOCOL, buffer_callback=self.sink.take)
        real = backend.make(Sink())
        self.dispatch_table = real.dispatch_table
        self._override = getattr(real, "reducer_override", None)
        self._arguments = arguments
        self.deadline = deadline
        self.steps: list[Step] = []
        self._parts: dict[str, Part] = {}
        self.references: dict[tuple[str, str], str] = {}
        self.refusals: list[tuple[str, BaseException]] = []
        self.functions: list[types.FunctionType] = []
        self.mapped = 0
        self.by: By = "value"
        self._by: dict[int, By] = {}

    def reducer_override(self, value: object) -> Any:
        """Decide as the backend's own pickler does."""
        return NotImplemented if self._override is None else self._override(value)

    def save(self, value: Any, save_persistent_id: bool = True) -> None:
        """Pickle one object; a refusal is noted, with the path to it."""
        if time.monotonic() > self.deadline:
            raise OverdueError
        above = self.steps[-1] if self.steps else None
        step = Step(value, above, self._written())
        self.steps.append(step)
        try:
            if not self._is_bulk(value):
                super().save(value, save_persistent_id)
        except Exception as error:
            if len(self.refusals) < MOST_REFUSALS:
                self.refusals.append((self.here(), error))
        except SystemExit as error:
            self.refusals.append((self.here(), error))
        self._note(above, step)
        self.steps.pop()

    def _is_bulk(self, value: Any) -> bool:
        """Count many numbers or strings by the quick pickler; nothing in them needs a path."""
        kind = type(value)
        if kind not in (list, tuple, dict, set, frozenset) or len(value) < _BULK:
            return False
        if id(value) in self.memo:
            return False
        items = chain(value, value.values()) if kind is dict else value
        if not {*map(id, map(type, items))} <= SCALARS:
            return False
        sink = Sink(self.deadline)
        pickle.Pickler(sink, PROTOCOL).dump(value)
        self.sink.size += sink.size - _WRAPPING
        self.memoize(value)
        return True

    def save_reduce(self, func: Any, args: Any, state: Any = None, *rest: Any, **kw: Any) -> None:
        """Pickle how an object is made again."""
        value = kw.get("obj")
        step = self.steps[-1]
        if step.value is value:
            step.made_of, step.state = args, state
            if func is mapped:
                self.mapped += args[0]
            if isinstance(value, types.ModuleType) and args == (value.__name__,):
                self._refer(step, value.__name__, "")
            elif type(value) is types.FunctionType:
                self.functions.append(value)
        super().save_reduce(func, args, state, *rest, **kw)

    def save_global(self, value: Any, name: str | None = None) -> None:
        """Pickle by name."""
        super().save_global(value, name)
        name = name or getattr(value, "__qualname__", None) or value.__name__
        module = pickle.whichmodule(value, name)  # type: ignore[attr-defined]
        self._refer(self.steps[-1], module, name)

    # Functions are looked up by type in pickle's own table, which has its own method.
    dispatch: ClassVar[Any] = {
        **_Pickler.dispatch,
        types.FunctionType: save_global,
    }

    def _refer(self, step: Step, module: str, name: str) -> None:
        if step.value is mapped:  # stands for a reducer of joblib's
            return
        step.by = self._by[id(step.value)] = "reference"
        if len(self.steps) == 2 and step.role == VALUE:
            self.by = "reference"
        if (module, name) not in self.references:
            self.references[module, name] = self.here()

    def _note(self, above: Step | None, step: Step) -> None:
        size = self._written() - step.start
        named = above is not None and above.role in NAMED and step.role == VALUE
        task = len(self.steps) == 2 and step.role == VALUE
        if (
            above is None
            or is_key(above, step)
            or not (named or task or (size >= MUCH and step.role == VALUE))
        ):
            return
        by = step.by or self._by.get(id(step.value), "value")
        # What only wraps another thing of the same path, such as a cell, stands for both.
        part = Part(self.here(), by, what(step.value), size)
        self._parts[part.path] = part
        if len(self._parts) > 2 * MOST_PARTS:
            self._parts = {part.path: part for part in self.parts}

    @property
    def parts(self) -> list[Part]:
        """What was met: the parts that weigh most, in the order in which they were done."""
        parts = list(self._parts.values())
        kept = {part.path for part in sorted(parts, key=_weight)[-MOST_PARTS:]}
        return [part for part in parts if part.path in kept]

    def here(self) -> str:
        """Say the path to what is being pickled."""
        return path(self.steps, self._arguments)

    def _written(self) -> int:
        frame = self.framer.current_frame
        return self.sink.size + (frame.tell() if frame else 0)


def _weight(part: Part) -> int:
    return part.size


def what(value: Any) -> str:
    """Say what a value is, without asking it."""
    kind = type(value)
    if issubclass(kind, ModuleType):
        return f"module {value.__name__}"
    if kind is types.FunctionType:
        return f"function {value.__module__}:{value.__qualname__}"
    if kind is types.CellType:
        try:
            return what(value.cell_contents)
        except ValueError:
            return "nothing yet"
    if issubclass(kind, type):
        return f"class {name_of(value)}"
    return name_of(kind)


def watch(backend: Backend, payload: Payload, seconds: float) -> tuple[Tracer, str | None]:
    """Watch ``backend`` pickle a call; give the path at which time ran out, if it did."""
    deadline = time.monotonic() + seconds
    tracer = Tracer(backend, parameter_names(payload[0]), deadline)
    if within(seconds, lambda: tracer.dump(payload)):
        return tracer, None
    return tracer, tracer.here()
