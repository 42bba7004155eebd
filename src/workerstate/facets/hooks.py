"""Hooks and streams that the program put in place of the interpreter's.

A hook is carried if it is a function that can be imported by name. Streams, trace and profile
functions, and callbacks registered with gc or atexit are shown only.
"""

from __future__ import annotations

import sys

from workerstate.facets import LibraryFacet
from workerstate.fingerprint import Text, describe_value
from workerstate.fingerprint.classes import imported, is_imported, module_namespace, name_of
from workerstate.program import load, reference
from workerstate.values import Captured, is_unset

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# Each hook: the module and the name that holds it, and the name that keeps the original.
HOOKS = {
    "sys.excepthook": ("sys", "excepthook", "__excepthook__"),
    "sys.displayhook": ("sys", "displayhook", "__displayhook__"),
    "sys.unraisablehook": ("sys", "unraisablehook", "__unraisablehook__"),
    "sys.breakpointhook": ("sys", "breakpointhook", "__breakpointhook__"),
    "threading.excepthook": ("threading", "excepthook", "__excepthook__"),
}


class HooksFacet(LibraryFacet):
    """What runs when an exception is not caught, a value is displayed, and the like."""

    name = "hooks"
    imports = True

    def capture(self) -> Captured:
        """Read the hooks that were replaced."""
        settings = {}
        observed: dict[str, Any] = {}
        for key, (module, name, original) in HOOKS.items():
            namespace = module_namespace(module)
            if namespace is None:
                continue
            hook = namespace.get(name)
            if hook is not namespace.get(original, hook):
                named = reference(hook)
                if named is None:
                    observed[key] = Text(describe_value(hook))
                else:
                    settings[key] = named
        self._observe_rest(observed)
        return Captured(settings, observed)

    def _observe_rest(self, observed: dict[str, Any]) -> None:
        for name in ("stdin", "stdout", "stderr"):
            stream = getattr(sys, name, None)
            if stream is not getattr(sys, f"__{name}__", None):
                observed[f"sys.{name}"] = Text(f"replaced by {name_of(type(stream))}")
        for name, hook in (("trace", sys.gettrace()), ("profile", sys.getprofile())):
            if hook is not None:
                observed[name] = Text(describe_value(hook).partition(" #")[0])
        for module, check in (("faulthandler", "is_enabled"), ("_tracemalloc", "is_tracing")):
            if is_imported(module) and imported(module, check)():
                observed[module.strip("_")] = True

    def apply(self, settings: Mapping[str, Any]) -> None:
        """Put the named hooks in place; UNSET puts the interpreter's own back."""
        for key, named in settings.items():
            module, name, original = HOOKS[key]
            holder = __import__(module)
            hook = getattr(holder, original) if is_unset(named) else load(named)
            setattr(holder, name, hook)


facet = HooksFacet()
