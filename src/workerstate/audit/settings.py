"""Settings of libraries and of the interpreter that a task's code touches, and its worker lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workerstate.snapshot import compare_texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from workerstate.audit.case import Case
    from workerstate.audit.finding import Inherited

# Facet -> the settings that change results.
_KEYS: dict[str, tuple[str, ...]] = {
    "decimal": ("prec", "rounding", "Emin", "Emax", "traps", "clamp", "capitals"),
    "numpy": ("errstate.",),
    "pandas": ("mode.", "compute.", "future."),
    "sklearn": ("assume_finite", "transform_output", "enable_metadata_routing", "array_api"),
    "torch": ("default_dtype", "grad", "deterministic"),
    "matplotlib": ("axes.", "figure.", "font.", "image.", "lines.", "savefig.", "text."),
    "locale": ("",),
}
# Facet -> the settings that change how things look, and with that tasks that show them.
_LOOKS = {"numpy": ("print.",), "pandas": ("display.", "styler.")}
# Facets that a framework sets up in a worker, if the initializer calls it (django.setup()).
_OF_FRAMEWORKS = ("logging", "warnings", "locale", "environ")
# Calls by which a task or an initializer makes the setting itself.
_OWN = {
    "logging": ("logging.basicConfig", "logging.config.", "addHandler", "setLevel", "QueueHandler"),
    "decimal": ("decimal.setcontext", "decimal.localcontext", "prec", "rounding"),
    "numpy": ("numpy.seterr", "numpy.errstate", "seterr", "errstate"),
    "pandas": ("set_option", "option_context", "pandas._config.config.set_option"),
    "sklearn": ("set_config", "config_context"),
    "torch": ("set_default_dtype", "no_grad", "set_grad_enabled"),
    "matplotlib": ("rcParams", "rc", "use"),
    "locale": ("locale.setlocale", "setlocale"),
    "warnings": ("simplefilter", "filterwarnings", "catch_warnings"),
}


def findings(case: Case) -> Iterator[Inherited]:
    """Give the settings that differ, of what the task's code touches."""
    yield from _variables(case)
    yield from _umask(case)
    yield from _hashes(case)
    for facet, touched in _TOUCHED.items():
        at = touched(case)
        if at is None or _is_own(case, facet):
            continue
        parent = case.facets.get(facet, {})
        worker = case.answer["facets"].get(facet, {} if facet == "logging" else None)
        if worker is None:
            continue
        for row in compare_texts({facet: parent}, {facet: worker}):
            if _matters(case, facet, row.key, row.before, row.after):
                there = _LIMITS[row.key](case) if facet == "limits" else at
                yield _finding(case, facet, row.key, row.before, row.after, there or at)


def _variables(case: Case) -> Iterator[Inherited]:
    """Give the environment variables that changed after the fork server had started."""
    before = (case.request["at_start"] or {}).get("environ")
    if case.target != "forkserver" or before is None:
        return
    now = case.facets.get("environ", {})
    for name, at in case.reads["variables"].items():
        own = name in case.reads["set_variables"] or name in case.first["set_variables"]
        if now.get(name) != before.get(name) and not own:
            yield _finding(case, "environ", name, now.get(name), before.get(name), at)


def _umask(case: Case) -> Iterator[Inherited]:
    """Give the umask, if it changed after the fork server had started, of who makes files."""
    before = (case.request["at_start"] or {}).get("cwd", {}).get("umask")
    now = case.facets.get("cwd", {}).get("umask")
    if case.target != "forkserver" or before is None or before == now:
        return
    said = {**case.reads["attributes"], **case.reads["calls"]}
    at = next((at for name, at in said.items() if name.rpartition(".")[2] in _MAKE_FILES), None)
    if at is not None and not any(name == "os.umask" for name in said):
        yield _finding(case, "cwd", "umask", now, before, at)


_MAKE_FILES = frozenset(
    (
        *("open", "mkdir", "makedirs", "mknod", "touch", "write_text", "write_bytes"),
        *("to_csv", "to_parquet", "savetxt", "save", "savez", "copy", "copyfile"),
    )
)


def _hashes(case: Case) -> Iterator[Inherited]:
    """Give the seed of hashes, where each process draws its own and a task asks for a hash."""
    at = case.reads["hashes"]
    here = case.facets.get("flags", {})
    there = case.answer["facets"].get("flags", {})
    if at and here.get("str_hash") != there.get("str_hash"):
        yield _finding(case, "flags", "hash_randomization", "its own seed", "another seed", at)


def _finding(
    case: Case, facet: str, key: str, parent: str | None, worker: str | None, at: str
) -> Inherited:
    carry: str | None = facet
    reason = ""
    if facet in ("flags",):
        carry, reason = None, "set PYTHONHASHSEED, or use a hash of your own (hashlib)"
    return case.finding(
        "setting",
        f"{facet}:{key}",
        f"{facet} {key} is {parent or 'at its default'} in the parent and "
        f"{worker or 'at its default'} in a {case.target} worker, and {case.request['task']} "
        f"uses {facet}",
        parent=parent,
        worker=worker,
        read=at,
        carry=carry,
        reason=reason,
    )


def _matters(case: Case, facet: str, key: str, parent: str | None, worker: str | None) -> bool:
    if facet == "logging":
        return _log_matters(case, key, parent, worker)
    if facet == "warnings":
        return key == "filters"
    if facet == "limits":
        return key in _LIMITS and _LIMITS[key](case) is not None
    if key.startswith(_LOOKS.get(facet, ("\0",))):
        return facet in case.reads["formats"]
    return key.startswith(_KEYS.get(facet, ()))


def _log_matters(case: Case, key: str, parent: str | None, worker: str | None) -> bool:
    if parent is None or "_pytest" in parent or parent == "NullHandler":
        return False
    if key.startswith("logging:"):
        return key in ("logging:disable",)
    name, _, attribute = key.rpartition(".")
    if attribute not in ("handlers", "level", "disabled"):
        return False
    used = case.reads["loggers"]
    return name == "root" or any(f"{each}.".startswith(f"{name}.") for each in used)


def _is_own(case: Case, facet: str) -> bool:
    if facet in _OF_FRAMEWORKS and case.set_up_by_library:
        return True
    words = _OWN.get(facet, ())
    for reads in (case.first, case.reads):
        said = [*reads["calls"], *reads["attributes"], *reads["loose_stores"], *reads["stores"]]
        if any(
            each == word
            or each.endswith("." + word)
            or (word.endswith(".") and each.startswith(word))
            for each in said
            for word in words
        ):
            return True
    return False


def _logs(case: Case) -> str | None:
    for name, at in case.reads["calls"].items():
        if name.startswith("logging.") and name.rpartition(".")[2] in _LOG_CALLS:
            return str(at)
    return None


_LOG_CALLS = frozenset(
    ("debug", "info", "warning", "error", "exception", "critical", "log", "warn", "isEnabledFor",
     "hasHandlers", "getEffectiveLevel", "handle", "callHandlers")
)  # fmt: skip


def _warns(case: Case) -> str | None:
    return next(
        (
            str(at)
            for name, at in case.reads["calls"].items()
            if name.endswith(("warnings.warn", "_warnings.warn"))
        ),
        None,
    )


_SOCKETS = ("socket", "urllib", "http", "requests", "ftplib", "smtplib", "ssl")
_NUMBERS = ("str", "repr", "format", "print", "int")


def _recurses(case: Case) -> str | None:
    return str(case.reads["recursive"]) if case.reads["recursive"] else None


def _any_of(table: str, *names: str) -> Callable[[Case], str | None]:
    def touched(case: Case) -> str | None:
        said: dict[str, str] = case.reads[table]
        return next((said[name] for name in names if name in said), None)

    return touched


# Limit -> where the task does what it is of.
_LIMITS: dict[str, Callable[[Case], str | None]] = {
    "recursion_limit": _recurses,
    "socket_timeout": _any_of("used", *_SOCKETS),
    "csv_field_size": _any_of("used", "csv", "_csv"),
    "int_max_str_digits": _any_of("calls", *_NUMBERS),
}


def _limited(case: Case) -> str | None:
    found = (limit(case) for limit in _LIMITS.values())
    return next((at for at in found if at is not None), None)


_TOUCHED: dict[str, Callable[[Case], str | None]] = {
    "logging": _logs,
    "warnings": _warns,
    "limits": _limited,
    **{
        name: _any_of("used", name)
        for name in ("decimal", "numpy", "pandas", "sklearn", "torch", "matplotlib", "locale")
    },
}
