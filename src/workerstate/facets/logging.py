"""Levels, switches and filters of the logging module.

Handlers can't be carried (they hold files and locks) and are shown only; so are filters that are
not plain data, and a logger class or record factory that can't be imported by name.
"""

from __future__ import annotations

from workerstate.facets import LibraryFacet
from workerstate.fingerprint import Text, describe_value
from workerstate.fingerprint.classes import attributes_of, imported, module_namespace, name_of
from workerstate.program import load, reference
from workerstate.values import Captured, is_unset

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# What a logger has that nobody touched.
FRESH = {"level": 0, "propagate": True, "disabled": False}
FRESH_LEVELS = {0, 10, 20, 30, 40, 50}


class LoggingFacet(LibraryFacet):
    """Keys are ``<logger>.<attribute>`` and, for the whole module, ``logging:<name>``."""

    name = "logging"
    module = "logging"
    sparse = True

    def capture(self) -> Captured:
        """Read what was set away from the defaults; takes no lock, so it is safe after a fork."""
        settings: dict[str, Any] = {}
        observed: dict[str, Any] = {}
        module = module_namespace("logging") or {}
        root = module.get("root")
        loggers = {"root": root}
        loggers.update(attributes_of(attributes_of(root).get("manager")).get("loggerDict", {}))
        placeholder = module.get("PlaceHolder")
        for name, logger in sorted(loggers.items()):
            if type(logger) is not placeholder:
                _read_logger(name, attributes_of(logger), settings, observed)
        _read_module(module, attributes_of(attributes_of(root).get("manager")), settings, observed)
        return Captured(settings, observed)

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
            elif attribute == "level":
                # setLevel also drops what loggers remember about being enabled
                fresh = logging.WARNING if name == "root" else logging.NOTSET
                logger.setLevel(fresh if is_unset(value) else value)
            else:
                setattr(logger, attribute, FRESH[attribute] if is_unset(value) else value)


def _read_logger(
    name: str, state: dict[str, Any], settings: dict[str, Any], observed: dict[str, Any]
) -> None:
    for attribute, fresh in FRESH.items():
        value = state.get(attribute)
        if name == "root" and attribute == "level":
            fresh = 30
        if type(value) in (int, bool) and value != fresh:
            settings[f"{name}.{attribute}"] = value
    handlers, filters = state.get("handlers"), state.get("filters")
    if handlers:
        said = ", ".join(_say_handler(handler) for handler in list(handlers))
        observed[f"{name}.handlers"] = Text(said)
    if filters:
        entries = [_read_filter(each) for each in list(filters)]
        if None in entries:
            said = ", ".join(describe_value(each) for each in list(filters))
            observed[f"{name}.filters"] = Text(said)
        else:
            settings[f"{name}.filters"] = entries


def _say_handler(handler: object) -> str:
    state = attributes_of(handler)
    kind = name_of(type(handler)).removeprefix("logging.")
    stream = state.get("stream")
    target = ""
    if type(state.get("baseFilename")) is str:
        target = " to " + describe_value(state["baseFilename"])
    for name in ("stdout", "stderr"):
        if stream is not None and stream is imported("sys", name):
            target = f" to {name}"
    level = state.get("level")
    return f"{kind}{target}" + (f" at {level}" if level else "")


def _read_filter(each: Any) -> tuple[str, Any] | None:
    """Give a filter as plain data: a function by name, or a class by name and its attributes."""
    named = reference(each)
    if named is not None:
        return (named, None)
    named = reference(type(each))
    state = dict(attributes_of(each))
    plain = all(type(value) in (str, int, float, bool, type(None)) for value in state.values())
    return (named, state) if named is not None and plain else None


def _make_filter(named: str, state: dict[str, Any] | None) -> Any:
    made = load(named)
    if state is not None:
        made = made.__new__(made)
        made.__dict__.update(state)
    return made


def _apply_filters(logger: Any, entries: list[tuple[str, Any]]) -> None:
    if [_read_filter(each) for each in logger.filters] != entries:
        logger.filters[:] = [_make_filter(*entry) for entry in entries]


_SWITCHES = {"raiseExceptions": True}


def _read_module(
    module: dict[str, Any],
    manager: dict[str, Any],
    settings: dict[str, Any],
    observed: dict[str, Any],
) -> None:
    disable = manager.get("_disable", manager.get("disable"))
    if disable:
        settings["logging:disable"] = disable
    if module.get("raiseExceptions") is not True:
        settings["logging:raiseExceptions"] = bool(module.get("raiseExceptions"))
    if module.get("_warnings_showwarning") is not None:
        settings["logging:captureWarnings"] = True
    names = module.get("_levelToName", {})
    added = {level: name for level, name in names.items() if _FRESH_NAMES.get(level) != name}
    if added:
        settings["logging:level names"] = added
    for key, now, fresh in (
        ("logger class", module.get("_loggerClass"), module.get("Logger")),
        ("record factory", module.get("_logRecordFactory"), module.get("LogRecord")),
    ):
        if now is not fresh:
            named = reference(now)
            if named is None:
                observed[f"logging:{key}"] = Text(describe_value(now))
            else:
                settings[f"logging:{key}"] = named
    if module.get("lastResort") is not module.get("_defaultLastResort"):
        observed["logging:lastResort"] = Text(describe_value(module.get("lastResort")))


_FRESH_NAMES = {
    50: "CRITICAL",
    40: "ERROR",
    30: "WARNING",
    20: "INFO",
    10: "DEBUG",
    0: "NOTSET",
}


def _apply_module(logging: Any, key: str, value: Any) -> None:
    fresh = is_unset(value)
    if key == "disable":
        logging.disable(logging.NOTSET if fresh else value)
    elif key == "raiseExceptions":
        logging.raiseExceptions = True if fresh else value
    elif key == "captureWarnings":
        logging.captureWarnings(not fresh and value)
    elif key == "level names":
        for level, name in ({} if fresh else value).items():
            logging.addLevelName(level, name)
    elif key == "logger class":
        logging.setLoggerClass(logging.Logger if fresh else load(value))
    elif key == "record factory":
        logging.setLogRecordFactory(logging.LogRecord if fresh else load(value))


facet = LoggingFacet()
