"""Levels, switches and filters of the logging module, and what the program has put into it.

That is a logger class, a record factory, and methods and functions such as one for a level of its
own. A function or class goes by its name; one of the main module as itself, since a worker may have
another main module; and a function without a name as its code, if it is the program's and holds
plain data only. Handlers can't be carried (they hold files and locks) and are shown only, and so is
the rest.
"""

from __future__ import annotations

from _operator import is_

from workerstate.facets import LibraryFacet
from workerstate.fingerprint import Text, describe_value
from workerstate.fingerprint.classes import (
    FunctionType,
    attributes_of,
    imported,
    module_namespace,
    name_of,
    namespace_of,
    plain_module,
)
from workerstate.fingerprint.walk import is_scalar
from workerstate.program import (
    load,
    main_name,
    recipe,
    reference,
    share_main_loggers,
    user_modules,
)
from workerstate.values import Captured, is_unset

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# What a logger, and the module, have that nobody touched.
FRESH = {"level": 0, "propagate": True, "disabled": False}
FRESH_MODULE = {"disable": 0, "raiseExceptions": True, "captureWarnings": False}
FRESH_LEVELS = {0: "NOTSET", 10: "DEBUG", 20: "INFO", 30: "WARNING", 40: "ERROR", 50: "CRITICAL"}
REPLACEABLE = {"loggerClass": "Logger", "logRecordFactory": "LogRecord"}
_CLASSES = ("Logger", "LoggerAdapter")  # which get methods
# What they have of their own, which can't be deleted again.
_METHODS = {
    *("__init__", "__repr__", "__reduce__", "_log", "addHandler", "callHandlers", "critical"),
    *("debug", "error", "exception", "fatal", "findCaller", "getChild", "getChildren"),
    *("getEffectiveLevel", "handle", "hasHandlers", "info", "isEnabledFor", "log", "makeRecord"),
    *("manager", "name", "process", "removeHandler", "root", "setLevel", "warn", "warning"),
}
_DEEPEST = 5  # functions that hold functions
_MOST_GIVEN = 20


# Functions and classes that were applied here without a name, by key: the last ones.
_given: dict[str, list[Any]] = {}
_looked: list[Any] = [[], []]  # all that logging and its classes hold, and what of it is foreign
_replaced: dict[str, Any] = {}  # what of logging's own was, by key


class LoggingFacet(LibraryFacet):
    """Keys are ``<logger>.<attribute>`` and, for the whole module, ``logging:<name>``."""

    name = "logging"
    module = "logging"
    sparse = True

    def capture(self) -> Captured:
        """Read what was set away from the defaults; takes no lock, so it is safe after a fork."""
        read = Captured({}, {})
        module = module_namespace("logging") or {}
        manager = attributes_of(namespace_of(module["Logger"])["manager"])
        placeholder = module["PlaceHolder"]
        _read_logger("root", module["root"], 30, read)
        for name, logger in sorted(manager["loggerDict"].items()):
            shared = main_name(name) != name and main_name(name) in manager["loggerDict"]
            if type(logger) is not placeholder and not shared:
                _read_logger(name, logger, 0, read)
        _read_module(module, manager, read)
        return read

    def apply(self, settings: Mapping[str, Any]) -> None:
        """Set levels, switches and filters; makes the loggers that are not there yet."""
        import logging

        share_main_loggers()
        # The class first: loggers that are not there yet are made by it.
        for key in sorted(settings, key=lambda each: each != "logging:loggerClass"):
            value = settings[key]
            if key.startswith("logging:"):
                _apply_module(logging, key.partition(":")[2], value)
                continue
            name, _, attribute = key.rpartition(".")
            logger = logging.getLogger(None if name == "root" else name)
            if attribute == "filters":
                _apply_filters(key, logger, [] if is_unset(value) else value)
                continue
            if is_unset(value):
                value = logging.WARNING if key == "root.level" else FRESH[attribute]
            if attribute == "level":
                logger.setLevel(value)  # which also drops what loggers remember of being enabled
            else:
                setattr(logger, attribute, value)

    def describe(self, key: str, value: object, *, values: bool = False) -> str:
        """Say a level by its name."""
        if key.endswith(".level") and type(value) is int:
            return FRESH_LEVELS.get(value, str(value))
        return super().describe(key, value, values=values)


def _read_logger(name: str, logger: object, level: int, read: Any) -> None:
    state = attributes_of(logger)
    for attribute, fresh in FRESH.items():
        value = state.get(attribute)
        if is_scalar(value) and value != (level if attribute == "level" else fresh):
            read.settings[f"{name}.{attribute}"] = value
    if state.get("handlers"):
        said = ", ".join(_say_handler(handler) for handler in list(state["handlers"]))
        read.observed[f"{name}.handlers"] = Text(said)
    if state.get("filters"):
        filters = [_recipe(each) for each in list(state["filters"])]
        if None in filters:
            said = ", ".join(describe_value(each) for each in list(state["filters"]))
            read.observed[f"{name}.filters"] = Text(said)
        else:
            read.settings[f"{name}.filters"] = filters


def _say_handler(handler: object) -> str:
    state = attributes_of(handler)
    said = name_of(type(handler)).removeprefix("logging.")
    if type(state.get("baseFilename")) is str:
        said += " to " + describe_value(state["baseFilename"])
    for name in ("stdout", "stderr"):
        if "stream" in state and state["stream"] is imported("sys", name):
            said += f" to {name}"
    return said + (f" at {state['level']}" if state.get("level") else "")


def _read_module(module: dict[str, Any], manager: dict[str, Any], read: Any) -> None:
    now = {
        "disable": manager.get("_disable", 0),
        "raiseExceptions": module.get("raiseExceptions"),
        "captureWarnings": module.get("_warnings_showwarning") is not None,
    }
    for key, fresh in FRESH_MODULE.items():
        if now[key] != fresh:
            read.settings[f"logging:{key}"] = now[key]
    levels = dict(module["_levelToName"])
    for level, name in levels.items() if levels != FRESH_LEVELS else ():
        if FRESH_LEVELS.get(level) != name:
            read.settings[f"logging:level {level}"] = name
            if type(module.get(name)) is int and module[name] == level:
                read.settings[f"logging:{name}"] = level
    for key, original in REPLACEABLE.items():
        value = module.get(f"_{key}")
        if value is not module[original]:
            sent = _sent(value)
            if sent is None:
                read.observed[f"logging:{key}"] = Text(describe_value(value))
            else:
                read.settings[f"logging:{key}"] = sent
    if module.get("lastResort") is not module.get("_defaultLastResort"):
        read.observed["logging:lastResort"] = Text(describe_value(module.get("lastResort")))
    read.settings.update(_additions(module))


def _additions(module: dict[str, Any]) -> dict[str, Any]:
    """Give the functions and methods that are not logging's own."""
    found = {}
    for key, function in _foreign(module):
        sent = _sent(function)
        if sent is not None:
            found[key] = sent
    return found


def _foreign(module: dict[str, Any]) -> list[tuple[str, Any]]:
    """Give the functions in logging and its classes that were made elsewhere, by key.

    They are looked for again only when some name has another value: a task must cost little.
    """
    holders = (module, *(namespace_of(module[name]) for name in _CLASSES))
    values: list[Any] = []
    for holder in holders:
        values += holder.values()
    if len(values) != len(_looked[0]) or not all(map(is_, values, _looked[0])):
        found = []
        for prefix, holder in zip(("", *(f"{name}." for name in _CLASSES)), holders, strict=True):
            for name, value in list(holder.items()):
                # What the module keeps for itself, such as what captureWarnings has replaced.
                kept = not prefix and (name.startswith("_") or name in FRESH_MODULE)
                if type(value) is FunctionType and value.__globals__ is not module and not kept:
                    found.append((f"logging:{prefix}{name}", value))
        _looked[:] = [values, found]
    functions: list[tuple[str, Any]] = _looked[1]
    return functions


def _sent(value: Any) -> Any:
    """Give what stands for a function or class in settings; None if it can't be carried."""
    named = reference(value)
    if named is not None:
        return value if named.startswith("__main__:") else named
    goes = _is_given(value) or (type(value) is FunctionType and _goes_as_code(value, _DEEPEST))
    return value if goes else None


def _is_given(value: Any) -> bool:
    return any(value is each for given in _given.values() for each in given)


def _goes_as_code(function: Any, deepest: int) -> bool:
    if not deepest or plain_module(function.__globals__.get("__name__")) not in user_modules():
        return False
    held = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    try:
        held += [cell.cell_contents for cell in function.__closure__ or ()]
    except ValueError:  # what is around it has not come to its end
        return False
    return all(_goes_along(each, deepest - 1) for each in held)


def _goes_along(value: Any, deepest: int) -> bool:
    kind = type(value)
    if is_scalar(value) or reference(value) is not None:
        return True
    if kind is dict:
        return deepest > 0 and _goes_along([*value, *value.values()], deepest - 1)
    if kind in (list, tuple):
        return deepest > 0 and all(_goes_along(each, deepest - 1) for each in value)
    return kind is FunctionType and _goes_as_code(value, deepest)


def _recipe(value: Any) -> tuple[Any, dict[str, Any] | None] | None:
    """Give what ``program.recipe`` does, with a function or class in place of its name if need be.

    See ``_sent``.
    """
    if type(value) is FunctionType:
        sent = _sent(value)
        return None if sent is None else (sent, None)
    if _is_given(type(value)):
        return type(value), dict(attributes_of(value))
    made = recipe(value)
    return made and (_sent(type(value)), made[1])


def _object(key: str, sent: Any) -> Any:
    if type(sent) is str:
        return load(sent)
    _given.setdefault(key, []).append(sent)
    del _given[key][:-_MOST_GIVEN]
    return sent


def _apply_module(logging: Any, key: str, value: Any) -> None:
    fresh = is_unset(value)
    if key == "disable":
        logging.disable(logging.NOTSET if fresh else value)
    elif key == "raiseExceptions":
        logging.raiseExceptions = fresh or value
    elif key == "captureWarnings":
        logging.captureWarnings(not fresh and value)
    elif key in REPLACEABLE:
        replace = getattr(logging, f"set{key[0].upper()}{key[1:]}")
        replace(getattr(logging, REPLACEABLE[key]) if fresh else _object(key, value))
    elif key.startswith("level "):
        level = int(key.removeprefix("level "))
        if fresh and level not in FRESH_LEVELS:  # the module has no function that removes one
            logging._nameToLevel.pop(logging._levelToName.pop(level, None), None)
        else:
            logging.addLevelName(level, FRESH_LEVELS[level] if fresh else value)
    else:
        _apply_addition(logging, key, value)


def _apply_addition(logging: Any, key: str, value: Any) -> None:
    """Put a function, method or constant where the parent has it; UNSET takes it away again."""
    holder, _, name = key.rpartition(".")
    owner = getattr(logging, holder) if holder else logging
    present = vars(owner).get(name)
    if is_unset(value):
        if key in _replaced:
            setattr(owner, name, _replaced.pop(key))
        elif name in vars(owner) and name not in (_METHODS if holder else logging.__all__):
            delattr(owner, name)
        return
    if getattr(present, "__globals__", None) is vars(logging):
        _replaced[key] = present
    setattr(owner, name, _object(key, value))


def _apply_filters(key: str, logger: Any, filters: list[Any]) -> None:
    if [_recipe(each) for each in logger.filters] == filters:
        return
    made = []
    _given.pop(key, None)
    for sent, attributes in filters:
        value = _object(key, sent)
        if attributes is not None:
            instance = value.__new__(value)
            instance.__dict__.update(attributes)
            value = instance
        made.append(value)
    logger.filters[:] = made


facet = LoggingFacet()
