"""The words for a value: its kind and size, then a hash or a short repr."""

from __future__ import annotations

from workerstate.fingerprint.brief import brief, looks_secret
from workerstate.fingerprint.classes import (
    FunctionType,
    ModuleType,
    attributes_of,
    imported,
    is_lasting,
    module_name,
    name_of,
    plain_module,
)
from workerstate.fingerprint.functions import forget_functions, known_function
from workerstate.fingerprint.walk import SCALARS, Walk, hashed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NOT_READ = "not read"
IN_PART = "in part"

_PLAIN = {id(type(None)), id(bool), id(type(...))}
_SIZED: tuple[Any, ...] = (str, bytes, bytearray, dict, list, tuple, set, frozenset)
_SIZED_NAMES = {id(kind): kind.__name__ for kind in _SIZED}
_salt = b""
_values = False
MOST_KEPT = 5000
LONGEST_KEPT = 1000  # characters of a string that is held
# By id: a value of which the text can't change, and the text.
_kept: dict[int, tuple[object, Text]] = {}


class Text(str):
    """A text that a facet made ready while reading: it stands for the value, and is shown as is."""

    __slots__ = ()


class Fingerprint:
    """What a value is, in words and as a hash.

    ``title`` is the kind and the size, ``digest`` 32 hexadecimal digits of the content (of what
    was read of it, if ``partial``), ``text`` what is shown: the title, and where that does not
    say all, a short hash under the salt.
    """

    __slots__ = ("_token", "partial", "text", "title")

    def __init__(self, title: str, token: bytes, partial: bool, ending: str | None) -> None:
        self._token = token
        self.title = title
        self.partial = partial
        if ending is None:
            short = hashed(token, key=_salt, size=3).hex()
            ending = f" #{short}, {IN_PART}" if partial else f" #{short}"
        self.text = title + ending

    @property
    def digest(self) -> str:
        """The content's hash, under no salt."""
        return hashed(self._token).hex()


def set_salt(salt: bytes) -> None:
    """Key the hashes in texts, so that a text tells nothing to who can only guess values.

    Texts of two processes compare only under the same salt. At most 64 bytes count.
    """
    global _salt
    _salt = salt[:64]
    forget_functions()
    _kept.clear()


def set_values(show: bool) -> None:
    """Choose whether the texts that facets make while reading (``ready``) show values."""
    global _values
    _values = show


def fingerprint(value: object) -> Fingerprint:
    """Give the fingerprint of any value; never fails, never runs the value's code."""
    return _fingerprint_function(value) if type(value) is FunctionType else _fingerprint(value)


def _fingerprint_function(value: Any) -> Fingerprint:
    before = known_function(value)
    if before is None:
        return _fingerprint(value)
    if before.fingerprint is None:
        before.fingerprint = _fingerprint(value)
    return before.fingerprint


def _fingerprint(value: object) -> Fingerprint:
    walk = Walk()
    title = ""
    try:
        title, says_all = title_of(value)
        if says_all:
            return Fingerprint(title, walk.named("title", title), False, "")
        token = walk.token(value)
        if walk.partial and token == Walk().unread(type(value)):
            return Fingerprint(f"object of {title}", token, True, "")
    except Exception:  # too large, or a broken object: that must not break who looks at it
        title = title or name_of(type(value))
        return Fingerprint(title, title.encode(), True, f", {NOT_READ}")
    return Fingerprint(title, token, walk.partial, None)


def title_of(value: Any) -> tuple[str, bool]:
    """Give the kind and the size of a value, and whether that says all there is to say."""
    kind = type(value)
    if id(kind) in _PLAIN:
        return repr(value), True
    if id(kind) in _SIZED_NAMES:
        return f"{_SIZED_NAMES[id(kind)]} of {len(value)}", False
    if id(kind) in SCALARS:
        return kind.__name__, False
    if kind is type:
        return f"class {name_of(value)}", True
    if kind is FunctionType:
        return f"function {plain_module(value.__module__)}.{value.__qualname__}", False
    for base in _SIZED:
        if issubclass(kind, base):
            return f"{name_of(kind)} of {base.__len__(value)}", False
    if issubclass(kind, type):
        return f"class {name_of(value)}", True
    if issubclass(kind, ModuleType):
        return f"module {module_name(value)}", True
    if kind is type(len) and issubclass(type(value.__self__), ModuleType):
        return f"function {plain_module(value.__module__)}.{value.__name__}", True
    return _title_of_object(value, kind)


def _title_of_object(value: Any, kind: type) -> tuple[str, bool]:
    name = name_of(kind)
    if issubclass(type(kind), imported("enum", "EnumMeta") or ()):
        return f"{name}.{attributes_of(value).get('_name_')}", True
    if issubclass(kind, imported("logging", "Logger") or ()):
        return f"logger {attributes_of(value).get('name')}", True
    array: Any = imported("numpy", "ndarray") or ()
    if issubclass(kind, array):
        shape = "x".join(map(str, array.shape.__get__(value)))
        return f"{name} {array.dtype.__get__(value).str} {shape or 'scalar'}", False
    return name, False


def describe_value(value: object, *, values: bool = False) -> str:
    """Say ``value`` in at most about 80 characters; equal texts mean equal values.

    Leaves the value alone. Without ``values``, strings, numbers and the contents of containers
    show as size and hash (``dict of 3 #1a2b3c``); with it, as a short repr, in which the values
    of secret-looking keys stay hidden. A text that ends in ``in part`` stands for a value of
    which something could not be read, one that ends in ``not read`` for a value too large.
    """
    if type(value) is Text:
        return value
    if not values:
        return fingerprint(value).text
    text, whole = brief(value)
    if whole:
        return text
    found = fingerprint(value)
    if text == name_of(type(value)):
        return found.text
    return text + found.text[len(found.title) :]


def ready(value: Any, name: str = "") -> Text:
    """Give the text to keep in place of ``value``, which goes by ``name``.

    Shows the value if ``set_values`` says so and the name does not look like a secret's.
    """
    if _values:
        return Text(describe_value(value, values=not looks_secret(name)))
    known = _kept.get(id(value))
    if known is not None and known[0] is value:
        return known[1]
    text = Text(describe_value(value))
    if _is_constant(value):
        if len(_kept) > MOST_KEPT:
            _kept.clear()
        _kept[id(value)] = (value, text)
    return text


def _is_constant(value: Any) -> bool:
    """Tell whether a value can't change, and may be held: it is small, or stays anyway."""
    kind = type(value)
    if kind is str or kind is bytes:
        return len(value) < LONGEST_KEPT
    return id(kind) in SCALARS or (kind is type and is_lasting(value))


def digest(value: object) -> str:
    """Give 32 hexadecimal digits that are equal for equal content, under any salt."""
    return fingerprint(value).digest
