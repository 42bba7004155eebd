"""Plain data that crosses processes.

Workers import this file, so it uses no dataclasses and no typing at run time (``Value`` gives
what is needed of both).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from typing_extensions import dataclass_transform
else:

    def dataclass_transform(**_):
        """Mark, for type checkers only, that annotations become fields."""
        return lambda cls: cls


@dataclass_transform(frozen_default=True)
class Value:
    """An immutable record: fields from the annotations, compared and pickled by value."""

    _fields: tuple[str, ...] = ()

    def __init_subclass__(cls) -> None:
        """Read the fields, in the order they are written."""
        own = tuple(name for name in cls.__annotations__ if not name.startswith("_"))
        cls._fields = cls._fields + own

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take the fields by position or by name; those with a class default may be left out."""
        fields = self._fields
        if len(args) > len(fields):
            raise TypeError(f"{type(self).__name__} takes {len(fields)} values, got {len(args)}")
        given = dict(zip(fields, args, strict=False))
        for name in kwargs:
            if name not in fields or name in given:
                raise TypeError(f"{type(self).__name__} got an unexpected value for {name!r}")
        given.update(kwargs)
        for name in fields:
            if name not in given:
                try:
                    given[name] = getattr(type(self), name)
                except AttributeError:
                    raise TypeError(f"{type(self).__name__} needs {name!r}") from None
        self.__dict__.update(given)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable; use replace({name}=...)")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((type(self).__name__, tuple(self.__dict__.values())))

    def __repr__(self) -> str:
        inside = ", ".join(f"{name}={self.__dict__[name]!r}" for name in self._fields)
        return f"{type(self).__name__}({inside})"

    def replace(self, **changes: Any) -> Any:
        """Give a copy in which the named fields have other values."""
        return type(self)(**{**self.__dict__, **changes})


class Captured(Value):
    """What one facet read of this process.

    ``settings`` are plain, picklable and comparable, and can be applied elsewhere; ``observed``
    can only be shown (a live handler, a thread, an open file).
    """

    settings: Mapping[str, Any]
    observed: Mapping[str, Any]


class Unset(Value):
    """The value of a setting that is to go back to its default (a variable: to be deleted)."""


UNSET = Unset()


def is_unset(value: object) -> bool:
    """Tell whether a setting's value is UNSET, without asking the value."""
    return type(value) is Unset


class Snapshot(Value):
    """All facets of one process at one moment.

    ``captured`` maps a facet's name to what it read; ``absent`` maps a facet's name to the reason
    why it read nothing (its library is not imported, or the capture failed).
    """

    captured: Mapping[str, Captured]
    absent: Mapping[str, str]


class Difference(Value):
    """One key of one facet that two snapshots give differently.

    ``before`` and ``after`` are texts that are safe to show (see ``Facet.describe``); None means
    that the key is not there.
    """

    facet: str
    key: str
    before: str | None
    after: str | None


class Finding(Value):
    """One stated problem, with its place and its remedy.

    ``code`` is stable (``WS101``), ``name`` its readable form, ``path`` and ``line`` say where
    where that is known.
    """

    code: str
    name: str
    sentence: str
    path: str | None = None
    line: int | None = None
    remedy: str = ""
