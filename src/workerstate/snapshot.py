"""What state is this process in? Take a snapshot, compare two, keep one as texts."""

from __future__ import annotations

from workerstate.errors import FacetError
from workerstate.facets import BUILTIN, get, resolve
from workerstate.fingerprint import NOT_READ
from workerstate.values import Captured, Difference, Snapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    Texts = Mapping[str, Mapping[str, str]]


def take_snapshot(names: Iterable[str] | None = None) -> Snapshot:
    """Read the facets of those names, or all built-in ones, in this process.

    Imports nothing that the program has not imported, changes nothing, and runs no code of the
    program. A facet that can't be read is not an error: ``absent`` gives the reason.

    Raises:
        UnknownFacetError: no facet has that name.
    """
    captured: dict[str, Captured] = {}
    absent: dict[str, str] = {}
    for facet in resolve(names):
        if not facet.present():
            absent[facet.name] = f"{facet.module} is not imported"
            continue
        try:
            captured[facet.name] = facet.capture()
        except FacetError as error:
            absent[facet.name] = str(error)
        except Exception as error:  # looking must never break who is looked at
            absent[facet.name] = str(facet.fail("capture", error))
    return Snapshot(captured, absent)


def apply_settings(settings: Mapping[str, Mapping[str, Any]]) -> None:
    """Make this process match settings, given by facet.

    What is not named stays as it is (see ``Facet.apply``). The import path and the environment
    come first, then the facets that import what they apply to, since an import can change
    anything (numpy adds warning filters), then the others.

    Raises:
        UnknownFacetError: no facet has that name; nothing was changed.
        FacetError: a facet refused; those before it are applied.
    """
    names = [*BUILTIN, *(name for name in settings if name not in BUILTIN)]
    facets = sorted(
        ((get(name), name) for name in settings),
        key=lambda each: (each[0].phase != "exec", not each[0].imports, names.index(each[1])),
    )
    for facet, name in facets:
        try:
            facet.apply(settings[name])
        except FacetError:
            raise
        except Exception as error:
            raise facet.fail("apply", error) from error


def texts(snapshot: Snapshot, *, values: bool = False) -> dict[str, dict[str, str]]:
    """Give all of a snapshot as texts that are safe to keep: by facet, then by key.

    Settings and observed go together. Equal texts mean equal values, so that two snapshots can
    be compared by their texts alone (``compare_texts``). A facet whose library is not imported,
    and which reads only what was changed, is there without keys: nothing is changed.
    """
    said = {name: texts_of(name, read, values=values) for name, read in snapshot.captured.items()}
    for name in snapshot.absent:
        if get(name).sparse and not get(name).present():
            said[name] = {}
    return said


def texts_of(name: str, captured: Captured, *, values: bool = False) -> dict[str, str]:
    """Give what one facet read as texts, by key."""
    describe = get(name).describe
    return {
        key: describe(key, value, values=values)
        for part in (captured.settings, captured.observed)
        for key, value in part.items()
    }


def compare(before: Snapshot, after: Snapshot, *, values: bool = False) -> list[Difference]:
    """Give the keys in which two snapshots differ, in the order of facets and keys.

    A facet that is absent from one of them is not compared: nothing is known of it there.
    """
    return compare_texts(texts(before, values=values), texts(after, values=values))


def compare_texts(before: Texts, after: Texts) -> list[Difference]:
    """Give the keys in which the texts of two snapshots differ (see ``compare``)."""
    found = []
    for name, old in before.items():
        new = after.get(name)
        if new is None:
            continue
        keys = [*old, *(key for key in new if key not in old)]
        for key in keys:
            if not alike(old.get(key), new.get(key)):
                found.append(Difference(name, key, old.get(key), new.get(key)))
    return found


def alike(before: str | None, after: str | None) -> bool:
    """Tell whether two texts can stand for the same value.

    A value that took too long in one process, and not in the other, is not a difference.
    """
    if before == after:
        return True
    if before is None or after is None:
        return False
    if NOT_READ in (before, after):
        return True
    unread = before.endswith(NOT_READ) or after.endswith(NOT_READ)
    return unread and _title(before) == _title(after)


def _title(text: str) -> str:
    return text.removesuffix(f", {NOT_READ}").partition(" #")[0]
