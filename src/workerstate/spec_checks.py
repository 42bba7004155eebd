"""What makes a declaration wrong, found in the parent before any worker starts."""

from __future__ import annotations

from workerstate.carrying import RECORDS, SHOWN_ONLY
from workerstate.drift.policy import ALL, POLICIES, size
from workerstate.errors import SpecError, nearest
from workerstate.facets import BUILTIN, WATCHED, get
from workerstate.facets.plugins import references
from workerstate.resources import Resource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from workerstate.spec import WorkerSpec

_TOO_LATE = ("PYTHONHASHSEED", "PYTHONOPTIMIZE", "PYTHONUTF8", "PYTHONDEVMODE", "PYTHONUNBUFFERED")
# Facets with a fixed list of keys, which can be compared with what is given.
_FIXED = ("warnings", "cwd", "sys_path", "decimal", "numpy", "limits", "sklearn", "torch")
_LOGGER = ("level", "propagate", "disabled", "filters")


def carry_names(carry: object) -> tuple[str, ...]:
    """Give the names in ``carry=``, in their order, each once.

    Raises:
        SpecError: one is unknown, or can't be carried.
    """
    words = [carry] if isinstance(carry, str) else list(carry or ())  # type: ignore[call-overload]
    known = [*BUILTIN, *RECORDS[1:], "stdio", "all"]
    if any(isinstance(word, str) and ":" not in word and word not in known for word in words):
        known += references()
    for word in words:
        if not isinstance(word, str):
            raise SpecError(f"carry= takes names, not {word!r}")
        if word in SHOWN_ONLY:
            raise SpecError(f"carry={word!r} can't be carried: {SHOWN_ONLY[word]}")
        if ":" in word:
            module, _, name = word.partition(":")
            if not module or not name:
                raise SpecError(
                    f"carry={word!r}: write module:NAME, or module:* for all its globals"
                )
        elif word not in known:
            raise SpecError(f"carry={word!r} is not known{_hint(word, known)}")
    return tuple(dict.fromkeys(words))


def given_settings(given: Mapping[str, Any] | None) -> dict[str, dict[str, Any]]:
    """Give ``set=`` by facet: ``{"decimal": {"prec": 50}, "app:DEBUG": True}``.

    Raises:
        SpecError: an unknown facet or key, or one that can't be set once Python runs.
    """
    found: dict[str, dict[str, Any]] = {}
    for name, value in (given or {}).items():
        if ":" in name:
            found.setdefault("modules", {})[name] = value
            continue
        if name not in BUILTIN:
            raise SpecError(f"set={{{name!r}: ...}}: no such facet{_hint(name, BUILTIN)}")
        if name in SHOWN_ONLY:
            raise SpecError(f"set={{{name!r}: ...}} can't be set: {SHOWN_ONLY[name]}")
        if not hasattr(value, "items"):
            raise SpecError(f"set={{{name!r}: ...}} takes a mapping of settings, not {value!r}")
        _check_keys(name, value)
        found.setdefault(name, {}).update(value)
    return found


def _check_keys(name: str, values: Mapping[str, Any]) -> None:
    if name == "environ":
        for key, value in values.items():
            if key in _TOO_LATE:
                raise SpecError(
                    f"set: environ: {key} is read when Python starts, before a worker can set it; "
                    "set it in the environment that workers are started from"
                )
            if value is not None and not isinstance(value, str):
                raise SpecError(f"set: environ: {key}={value!r}: a variable is a string, or None")
    elif name == "logging":
        for key in values:
            if not key.startswith("logging:") and key.rpartition(".")[2] not in _LOGGER:
                raise SpecError(
                    f"set: logging: {key!r}: write <logger>.level, .propagate or .disabled, "
                    f"or logging:disable{_hint(key.rpartition('.')[2], _LOGGER)}"
                )
    elif name in _FIXED and get(name).present():
        known = list(get(name).capture().settings)
        for key in values:
            if key not in known:
                raise SpecError(f"set: {name}: no such setting: {key!r}{_hint(key, known)}")


def drift_policy(drift: Any) -> Any:
    """Give the policy, or the policies by facet: third parties' facets by ``module:attribute``.

    Raises:
        SpecError: an unknown policy or facet, or a limit that is none.
    """
    if not hasattr(drift, "items"):
        if drift not in POLICIES:
            raise SpecError(f"drift={drift!r} is not known{_hint(str(drift), POLICIES)}")
        return drift
    found = {}
    known = [*WATCHED, ALL]
    plugins = references() if any(name not in known for name in drift) else {}
    for name, entry in drift.items():
        if name not in known and name not in plugins:
            near = _hint(str(name), [*known, *plugins])
            raise SpecError(f"drift={{{name!r}: ...}}: no such facet{near}")
        policy, limit = entry if isinstance(entry, (tuple, list)) else (entry, None)
        if policy not in POLICIES:
            raise SpecError(
                f"drift={{{name!r}: {policy!r}}} is not known{_hint(str(policy), POLICIES)}"
            )
        if limit is not None:
            _check_limit(name, policy, limit)
        found[plugins.get(name, name)] = policy if limit is None else (policy, limit)
    return found


def _check_limit(name: str, policy: str, limit: object) -> None:
    said = f"drift={{{name!r}: ({policy!r}, {limit!r})}}"
    if name == ALL or not get(name).growth:
        amounts = [each for each in WATCHED if get(each).growth]
        raise SpecError(f"{said}: only an amount has a limit: {', '.join(amounts)}")
    try:
        size(limit)
    except ValueError:
        raise SpecError(f"{said}: write a whole number, or a size such as '300 MB'") from None


def sendable(what: str, value: object) -> None:
    """Make sure that a worker can be sent ``value``.

    Raises:
        SpecError: names it, and why.
    """
    import pickle

    try:
        pickle.dumps(value, 4)
    except Exception as error:
        hint = "; define it at the top level of a module" if callable(value) else ""
        raise SpecError(
            f"{what}: a {type(value).__name__} that can't be sent to a worker: {error}{hint}"
        ) from error


def options(what: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Make sure that every option is known.

    Raises:
        SpecError: names one that is not, and the nearest that is.
    """
    known = list(known)
    for name in given:
        if name not in known:
            raise SpecError(f"{what} has no option {name!r}{_hint(name, known)}")


def seed_number(seed: object) -> object:
    """Give the seed if it is one, or raise SpecError."""
    if seed is not None and (not isinstance(seed, int) or isinstance(seed, bool) or seed < 0):
        raise SpecError(f"seed={seed!r}: a whole number from 0 on, or None")
    return seed


def on_full_word(on_full: object) -> object:
    """Give what to do when the parent doesn't keep up, or raise SpecError."""
    if on_full not in ("block", "drop"):
        raise SpecError(f"on_full={on_full!r}: 'block' or 'drop'")
    return on_full


def resources_given(given: Mapping[str, Any]) -> dict[str, Resource]:
    """Give each resource with its functions, or raise SpecError."""
    found = {}
    for name, value in given.items():
        resource = value if isinstance(value, Resource) else Resource(value)
        if not callable(resource.open):
            raise SpecError(f"resources={{{name!r}: ...}}: a Resource or a function, not {value!r}")
        sendable(f"resources={{{name!r}: ...}}", resource.open)
        sendable(f"resources={{{name!r}: ...}}, close", resource.close)
        found[name] = resource
    return found


def identity(spec: WorkerSpec) -> str:
    """Give a text that is equal for equal declarations; a function counts with its code."""
    import pickle

    from workerstate.carrying import fingerprint as name_of
    from workerstate.fingerprint import fingerprint

    for name in ("initializer", "teardown"):
        value = spec.__dict__[name]
        if value is not None and not callable(value):
            raise SpecError(f"{name}={value!r}: a function without arguments, or None")
        sendable(f"{name}=", value)
    for facet, values in spec.given.items():
        for key, value in values.items():
            sendable(f"set: {facet}: {key}", value)
    said = fingerprint(
        [sorted(spec.given.items()), *(spec.__dict__[each] for each in spec._fields)]
    )
    data = pickle.dumps([spec.__dict__[name] for name in spec._fields], 4) if said.partial else b""
    return name_of(data + str(said.digest).encode())


def _hint(word: str, known: Iterable[str]) -> str:
    near = nearest(word, list(known))
    return f"; did you mean {near!r}?" if near else f"; known: {', '.join(sorted(known))}"
