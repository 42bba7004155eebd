"""Put one facet through its laws in this interpreter, and print as JSON what was seen.

Usage: python facet_laws.py <facet>; test_facets.py says what must come out.
"""

from __future__ import annotations

import json
import sys

# C modules that belong to the interpreter, though not every build has them built in.
INTERPRETER = {"_blake2", "_contextvars", *sys.builtin_module_names}


def brought_in(before):
    """Give the modules imported since, other than workerstate's own."""
    added = set(sys.modules) - before - INTERPRETER
    return sorted(name for name in added if not name.startswith("workerstate"))


def first_snapshot():
    """Take a snapshot before the program has imported anything; give it and what it imported."""
    before = set(sys.modules)
    from workerstate.snapshot import take_snapshot

    return take_snapshot(), brought_in(before)


def run(name):
    """Put one facet through its laws; each key of what is given names what was seen."""
    snapshot, imported = first_snapshot()
    seen = {"imports of a first snapshot": imported, "absent": snapshot.absent.get(name)}
    from facet_states import others, prepare, set_state, settings_of

    from workerstate.snapshot import apply_settings, take_snapshot, texts
    from workerstate.values import UNSET

    prepare(name)
    modules = set(sys.modules)
    fresh = now()
    imported = brought_in(modules)
    fresh_settings = settings_of(name)
    set_state(name)
    modules = set(sys.modules)
    state = now()
    seen["imports of a later snapshot"] = imported + brought_in(modules)
    settings = settings_of(name)
    seen["changed by the state"] = changed(fresh, state)
    seen["texts"] = state[name]
    seen["texts with values"] = texts(take_snapshot([name]), values=True)[name]
    seen["settings"] = sorted(settings)
    seen["equal after pickling"] = is_equal_after_pickling(settings)
    seen["derived alike"] = derives_alike(name, settings)
    apply_settings({name: settings})
    seen["changed by applying what was captured"] = changed(state, now())
    back = {key: fresh_settings.get(key, UNSET) for key in settings}
    set_, unset = others(name, settings, back)
    apply_settings(unset)
    again = now()
    seen["left when put back"] = changed(fresh, again)
    apply_settings(set_)
    once = now()
    seen["changed by applying"] = changed(again, once)
    seen["not as captured"] = unlike(settings, settings_of(name))
    apply_settings(set_)
    seen["changed by applying again"] = changed(once, now())
    return seen


def now():
    """Give the texts of all facets, without what this script itself changes."""
    from workerstate.snapshot import take_snapshot, texts

    said = texts(take_snapshot())
    said["modules"].pop("imported")
    return said


def changed(before, after):
    """Give the facet and the key of each difference."""
    from workerstate.snapshot import compare_texts

    found = compare_texts(before, after)
    return [f"{difference.facet} {difference.key}" for difference in found]


def unlike(wanted, present):
    """Give the keys of which the values are not the wanted ones."""
    from workerstate.fingerprint import digest

    missing = object()
    return [key for key in wanted if digest(wanted[key]) != digest(present.get(key, missing))]


def is_equal_after_pickling(settings):
    """Tell whether settings are equal after a pickle."""
    import pickle

    return pickle.loads(pickle.dumps(settings)) == settings


def derives_alike(name, settings):
    """Tell whether a worker's part of the settings depends on its number alone."""
    from workerstate.facets import get

    derive = get(name).derive
    return dict(derive(settings, 1)) == dict(derive(settings, 1))


if __name__ == "__main__":
    print(json.dumps(run(sys.argv[1])))
