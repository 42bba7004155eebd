"""Cheap looks at what libraries keep: each gives None until its library is there."""

from __future__ import annotations

import _locale
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_options: list[Any] = []  # all of pandas' options, then the parts of that which hold values


def pandas() -> object:
    """Look at the options where pandas keeps them."""
    module = sys.modules.get("pandas._config.config")
    config: Any = module and vars(module).get("_global_config")
    if config is None:
        return None
    if not _options or _options[0] is not config:
        _options[:] = [config, *_parts(config)]
    return _options[1:]


def _parts(options: dict[str, Any]) -> list[dict[str, Any]]:
    found = [options]
    for each in options.values():
        if type(each) is dict:
            found += _parts(each)
    return [part for part in found if not all(type(each) is dict for each in part.values())]


def matplotlib() -> object:
    """Look at rcParams past its own methods: asking for the backend would choose one."""
    module = sys.modules.get("matplotlib")
    params: Any = module and vars(module).get("rcParams")
    return None if params is None else [*dict.values(params)]


def sklearn() -> object:
    """Look at the calling thread's configuration."""
    module = sys.modules.get("sklearn._config")
    kept = module and vars(module).get("_threadlocal")
    return None if kept is None else getattr(kept, "global_config", None)


def locale() -> object:
    """Look at the locale, and at the time zone."""
    return _locale.setlocale(_locale.LC_ALL, None), time.tzname, time.timezone
