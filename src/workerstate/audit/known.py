"""What the walk through a task's code knows of a value: the object, and how a worker finds it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    # ``root`` is module.NAME or module.Class.NAME; the chain leads on from there: ".attr", "[key]".
    Path: TypeAlias = "tuple[str, tuple[str, ...]]"


# Steps of a chain that lead no further.
ANY = "*"  # a step: whatever attributes the code names
TESTED = "?"  # a step: only whether it is there
FILLED = "!"  # a step: only that items can be put there
CACHED = "@"  # a step: what functools.lru_cache keeps for a call without arguments
NAMED = "="  # a step: only that there is something of that name


# Methods that run without being named.
IMPLIED = frozenset(
    (
        *("__init__", "__new__", "__post_init__", "__call__", "__enter__", "__exit__"),
        *("__getitem__", "__setitem__", "__contains__", "__len__", "__iter__", "__next__"),
        *("__eq__", "__lt__", "__add__", "__sub__", "__mul__", "__truediv__", "__getattr__"),
        *("__setstate__", "__str__", "__repr__", "__hash__", "__bool__"),
    )
)
# Of these those that run only where an object is made.
MAKERS = frozenset(("__init__", "__new__", "__post_init__"))


# Globals that the import of a module makes; a worker has its own main module by another name.
OF_IMPORT = frozenset(
    (
        *("__name__", "__file__", "__spec__", "__loader__", "__package__", "__path__"),
        *("__builtins__", "__cached__", "__doc__", "__debug__"),
    )
)


class _Something:
    def method(self) -> None: ...


MethodType: Any = type(_Something().method)


def is_a(value: object, kind: type | tuple[type, ...]) -> bool:
    """Tell what a value is, without asking it: ``isinstance`` would read its ``__class__``."""
    return issubclass(type(value), kind)


class _Absent:
    """Stands for an object that is not there: it will be made by the task, or is missing."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = _Absent()


class Known:
    """A value in the hands of the code that is followed.

    Attributes:
        value: the parent's object, or ABSENT.
        path: the name under which code finds it in any process; None for what arrives with the
            task, or is made by it.
        cls: the class of an object that the task will make.
        owner: what a method is bound to.
        after: in the search of ``super()``, the class after which it goes on.
        library: whose code makes an object of which no more is known.
        beginning: of a text of which no more is known.
    """

    __slots__ = ("after", "beginning", "cls", "library", "owner", "path", "value")

    def __init__(
        self,
        value: Any,
        path: Path | None = None,
        *,
        cls: type | None = None,
        owner: Known | None = None,
        after: type | None = None,
        library: str = "",
        beginning: str = "",
    ) -> None:
        self.value = value
        self.path = path
        self.cls = cls
        self.owner = owner
        self.after = after
        self.library = library
        self.beginning = beginning

    def at(self, step: str) -> Path | None:
        """Give the path one step on from here."""
        return None if self.path is None else (self.path[0], (*self.path[1], step))

    def key(self) -> object:
        """Give what tells two of them apart."""
        owner = None if self.owner is None else self.owner.key()
        kind = (id(self.cls), id(self.after), self.library, self.beginning)
        return (id(self.value), self.path, owner, *kind)


class Place:
    """Where code does something: the file, the line, and the name of the function."""

    __slots__ = ("line", "path", "scope")

    def __init__(self, path: str, line: int, scope: str = "") -> None:
        self.path = path
        self.line = line
        self.scope = scope

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


NOWHERE = Place("", 0)  # what happens where no line of the code says so
