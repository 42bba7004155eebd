"""Levels, switches and filters of the logging module.

Handlers can't be carried (they hold files and locks) and are shown only; so are filters that are
not plain data, and a logger class or record factory that can't be imported by name.
"""

from __future__ import annotations

from workerstate.facets import LibraryFacet
from workerstate.fingerprint import Text, describe_value
from workerstate.fingerprint.classes import (
    attributes_of,
    imported,
    module_namespace,
    name_of,
    namespace_of,
)
from workerstate.fingerprint.walk import is_scalar
from workerstate.program import from_recipe, load, recipe, reference
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
            if type(logger) is not placeholder:
                _read_logger(name, logger, 0, read)
        _read_module(module, manager, read)
        return read

    def apply(self, settings: Mapping[str, Any]) -> None:
        """Set levels, switches and filters; makes the loggers that are not there yet."""
        import logging

        for key, value in settings.items():
            if key.startswith("logging:"):
                _apply_module(logging, key.partition(":")[2], value)
                continue
            name, _, attribute = key.rpartition(".")
            logger = logging.getLogger(None if name == "root" else name)
            if attribute == "filters":
                _apply_filters(logger, [] if is_unset(value) else value)
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
        filters = [recipe(each) for each in list(state["filters"])]
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
    for level, name in list(module["_levelToName"].items()):
        if FRESH_LEVELS.get(level) != name:
            read.settings[f"logging:level {level}"] = name
    for key, original in REPLACEABLE.items():
        value = module.get(f"_{key}")
        if value is not module[original]:
            named = reference(value)
            if named is None:
                read.observed[f"logging:{key}"] = Text(describe_value(value))
            else:
                read.settings[f"logging:{key}"] = named
    if module.get("lastResort") is not module.get("_defaultLastResort"):
        read.observed["logging:lastResort"] = Text(describe_value(module.get("lastResort")))


def _apply_module(logging: Any, key: str, value: Any) -> None:
    fresh = is_unset(value)
    if key == "disable":
        logging.disable(logging.NOTSET if fresh else value)
    elif key == "raiseExceptions":
        logging.raiseExceptions = fresh or value
    elif key == "captureWarnings":
        logging.captureWarnings(not fresh and value)
    elif key == "loggerClass":
        logging.setLoggerClass(logging.Logger if fresh else load(value))
    elif key == "logRecordFactory":
        logging.setLogRecordFactory(logging.LogRecord if fresh else load(value))
    else:
        level = int(key.removeprefix("level "))
        if fresh and level not in FRESH_LEVELS:  # the module has no function that removes one
            logging._nameToLevel.pop(logging._levelToName.pop(level, None), None)
        else:
            logging.addLevelName(level, FRESH_LEVELS[level] if fresh else value)


def _apply_filters(logger: Any, filters: list[Any]) -> None:
    if [recipe(each) for each in logger.filters] != filters:
        logger.filters[:] = [from_recipe(each) for each in filters]


facet = LoggingFacet()
