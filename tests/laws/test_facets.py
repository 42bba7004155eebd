"""Laws: what every facet promises, each facet in fresh interpreters of its own."""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from workerstate.facets import BUILTIN, get

HERE = Path(__file__).parent
SOURCE = HERE.parent.parent / "src"
SECRET = "hunter2"
LIBRARIES = {
    "numpy": ["numpy"],
    "pandas": ["pandas"],
    "sklearn": ["sklearn"],
    "matplotlib": ["matplotlib"],
    "native_threads": ["numpy", "threadpoolctl"],
}
# What of a facet's state its own settings can't bring or put back: it is shown only.
OBSERVED = {
    "logging": {"logging root.handlers", "logging app.odd.filters"},
    "random": {"random state"},
    "numpy": {"numpy legacy generator"},
    "hooks": {"hooks sys.displayhook"},
    "threads": {"threads threads", "threads names"},
    "modules": {"modules facet_states.API_KEY"},
    "native_threads": {"native_threads OMP_NUM_THREADS", "environ OMP_NUM_THREADS"},
    "contextvars": {"contextvars facet_variable:VARIABLE"},
}
# Keys that must show, of those that the states in facet_states.py change.
SHOWN = {
    "logging": "root.level app.db.propagate app.db.filters app.web.disabled logging:disable "
    "logging:captureWarnings root.handlers app.odd.filters",
    "warnings": "filters",
    "environ": "STATE_TOKEN STATE_URL STATE_MODE",
    "cwd": "directory umask",
    "sys_path": "path dont_write_bytecode",
    "flags": "",
    "random": "state",
    "numpy": "errstate.over errstate.divide print.precision print.linewidth print.formatter "
    "bufsize",
    "decimal": "prec rounding default.traps default.Emax",
    "locale": "LC_COLLATE timezone",
    "contextvars": "facet_variable:VARIABLE",
    "signals": "SIGUSR1 SIGUSR2 SIGPIPE blocked",
    "limits": "recursion_limit switch_interval gc_threshold gc_enabled socket_timeout",
    "hooks": "sys.excepthook threading.excepthook sys.displayhook",
    "threads": "threads names",
    "modules": "facet_states.OPTIONS facet_states.Config.RATE facet_states.API_KEY",
    "pandas": "display.max_rows display.max_colwidth display.float_format",
    "sklearn": "assume_finite transform_output",
    "torch": "num_threads default_dtype grad_enabled deterministic_algorithms "
    "deterministic_warn_only cudnn.benchmark",
    "matplotlib": "backend lines.linewidth axes.prop_cycle savefig.bbox",
    "native_threads": "OMP_NUM_THREADS",
}
NOT_CARRIED = {"flags", "random", "threads"}
# A facet that applies another's settings as well, since its own are only good with them.
TOGETHER = {"locale": {"environ TZ"}}
# Not state that is set: two processes rightly differ in it.
OF_THE_PROCESS = {"str_hash", "hash_randomization", "PYTHONHASHSEED", "imported"}


def seen(name: str, hash_seed: str = "0") -> dict:
    """Give what facet_laws.py saw of a facet; skips where its library is not installed."""
    for library in LIBRARIES.get(name, []):
        if importlib.util.find_spec(library) is None:
            pytest.skip(f"{library} is not installed")
    return run_laws(name, hash_seed)


@functools.cache
def run_laws(name: str, hash_seed: str) -> dict:
    path = os.pathsep.join(map(str, (SOURCE, HERE, HERE / "fakes" / "site-packages")))
    done = subprocess.run(
        [sys.executable, str(HERE / "facet_laws.py"), name],
        env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


every_facet = pytest.mark.parametrize("name", BUILTIN)


@every_facet
def test_a_first_snapshot_imports_nothing(name):
    """Looking at a fresh interpreter imports no module that the program did not."""
    assert seen(name)["imports of a first snapshot"] == []


@every_facet
def test_a_later_snapshot_imports_nothing(name):
    """Looking at a program that uses the facet's library imports nothing further."""
    assert seen(name)["imports of a later snapshot"] == []


@every_facet
def test_absent_without_its_library(name):
    """A facet is absent, with the reason, exactly as long as its library is not imported."""
    module = get(name).module
    expected = None if module is None else f"{module} is not imported"
    assert seen(name)["absent"] == expected


@every_facet
def test_shows_its_state_and_no_other(name):
    """A change of a facet's state shows in that facet, and in no other one."""
    changes = set(seen(name)["changed by the state"])
    own = {change for change in changes if change.startswith(f"{name} ")}
    assert {change.partition(" ")[2] for change in own} >= set(SHOWN[name].split())
    assert own or name == "flags"
    assert changes - own <= OBSERVED.get(name, set()) | TOGETHER.get(name, set())


@every_facet
def test_applying_what_was_captured_changes_nothing(name):
    """Settings applied where they were captured change nothing at all."""
    assert seen(name)["changed by applying what was captured"] == []


@every_facet
def test_settings_survive_pickling(name):
    """Settings are equal after a pickle, so that they can cross to any worker."""
    assert seen(name)["equal after pickling"]


@every_facet
def test_settings_are_there_where_they_can_be_carried(name):
    """A facet that says it carries something has settings in the changed state."""
    assert bool(seen(name)["settings"]) == (name not in NOT_CARRIED)


@every_facet
def test_settings_put_back_the_start_state(name):
    """Old settings undo a change; only what is shown and not carried stays."""
    assert set(seen(name)["left when put back"]) <= OBSERVED.get(name, set())


@every_facet
def test_applied_settings_are_in_force(name):
    """After applying, a capture gives the values that were applied."""
    assert seen(name)["not as captured"] == []


@every_facet
def test_applying_changes_what_the_state_changed_and_nothing_else(name):
    """Applying does all that setting the state did, but for what is only shown, and no more."""
    law = seen(name)
    assert law["changed by applying"] or name in NOT_CARRIED
    expected = set(law["changed by the state"]) - OBSERVED.get(name, set())
    assert set(law["changed by applying"]) | OBSERVED.get(name, set()) >= expected
    assert set(law["changed by applying"]) <= set(law["changed by the state"])


@every_facet
def test_applying_twice_is_applying_once(name):
    """Applying the same settings again changes nothing."""
    assert seen(name)["changed by applying again"] == []


@every_facet
def test_derived_settings_depend_on_the_worker_number_alone(name):
    """The same settings and worker number give the same derived settings."""
    assert seen(name)["derived alike"]


@every_facet
def test_texts_are_short(name):
    """A text fits a line of a terminal."""
    law = seen(name)
    texts = [*law["texts"].values(), *law["texts with values"].values()]
    assert texts
    assert [text for text in texts if len(text) > 100 or "\n" in text] == []


@every_facet
def test_texts_tell_no_secret(name):
    """Neither the names' texts nor the values that were asked for tell what looks like a secret."""
    law = seen(name)
    assert [key for key, text in law["texts"].items() if SECRET in text] == []
    assert [key for key, text in law["texts with values"].items() if SECRET in text] == []


@every_facet
def test_texts_are_equal_in_every_process(name):
    """Two processes with different hash seeds say the same state in the same texts."""
    first, second = seen(name, "1")["texts"], seen(name, "2")["texts"]
    differing = {key for key in {*first, *second} if first.get(key) != second.get(key)}
    assert differing - OF_THE_PROCESS == set()


def test_the_secret_is_in_the_states():
    """The states hold the secret that no text may tell, so that the law above can fail."""
    law = seen("environ")
    assert "STATE_TOKEN" in law["texts"]
    assert "STATE_URL" in law["texts"]
    assert law["texts with values"]["STATE_MODE"] == "'fast'"
