"""For each facet, a way to set its state away from what a fresh interpreter has.

Also the functions and globals that those states refer to: workers import this module, so it
imports nothing.
"""

from __future__ import annotations

SECRET = "hunter2-hunter2"
OPTIONS = {"verbose": False}
API_KEY = "unset"


class Config:
    RATE = 0.1


class OnlyDb:
    """A logging filter that is plain data."""

    def __init__(self, prefix):
        self.prefix = prefix

    def filter(self, record):
        return record.name.startswith(self.prefix)


class Loud:
    """A logging filter that is not."""

    def __init__(self):
        self.seen = [object()]

    def filter(self, record):
        return True


def handler(*args):
    """Handle a signal, or stand for a hook."""


def formatted(number):
    """Give a number's text, as numpy and pandas ask for it."""
    return f"{number:.1f}"


# Each is run in a fresh interpreter, in which this module's names and os and sys are known.
STATES = {
    "logging": """
import logging
logging.basicConfig(level=logging.DEBUG)
logging.getLogger("app.db").propagate = False
logging.getLogger("app.db").addFilter(OnlyDb("app"))
logging.getLogger("app.web").disabled = True
logging.getLogger("app.odd").addFilter(Loud())
logging.disable(5)
logging.addLevelName(25, "NOTICE")
logging.captureWarnings(True)
""",
    "warnings": """
import warnings
warnings.simplefilter("ignore", ResourceWarning)
warnings.filterwarnings("default", "some .*", UserWarning, "module", 7)
""",
    "environ": """
os.environ["STATE_TOKEN"] = SECRET
os.environ["STATE_URL"] = "postgres://user:" + SECRET + "@host/db"
os.environ["STATE_MODE"] = "fast"
""",
    "cwd": "os.chdir('/'); os.umask(0o27)",
    "sys_path": """
sys.path.append("/not/there")
sys.dont_write_bytecode = not sys.dont_write_bytecode
""",
    "flags": "",
    "random": "import random; random.seed(7)",
    "numpy": """
import numpy
numpy.seterr(over="ignore", divide="raise")
numpy.set_printoptions(precision=3, linewidth=90)
numpy.set_printoptions(formatter={"float": formatted})
numpy.setbufsize(16384)
numpy.random.seed(7)
""",
    "decimal": """
import decimal
decimal.getcontext().prec = 7
decimal.getcontext().rounding = decimal.ROUND_UP
decimal.DefaultContext.traps[decimal.Inexact] = True
decimal.DefaultContext.Emax = 99999
""",
    "locale": """
import locale, time
locale.setlocale(locale.LC_COLLATE, "C.UTF-8")
os.environ["TZ"] = "EST5EDT"
time.tzset()
""",
    "contextvars": """
import facet_variable
facet_variable.VARIABLE.set({"user": 7})
""",
    "signals": """
import signal
signal.signal(signal.SIGUSR1, handler)
signal.signal(signal.SIGUSR2, signal.SIG_IGN)
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
""",
    "limits": """
import gc, socket
sys.setrecursionlimit(1500)
sys.setswitchinterval(0.01)
gc.set_threshold(900, 11, 12)
gc.disable()
socket.setdefaulttimeout(9.5)
if hasattr(sys, "set_int_max_str_digits"):
    sys.set_int_max_str_digits(5000)
""",
    "hooks": """
import threading
sys.excepthook = threading.excepthook = handler
sys.displayhook = lambda value: None
""",
    "threads": """
import threading
gate = threading.Event()
threading.Thread(target=gate.wait, name="pump", daemon=True).start()
""",
    "modules": """
OPTIONS["verbose"] = True
OPTIONS["password"] = SECRET
Config.RATE = 0.7
import facet_states
facet_states.API_KEY = SECRET
""",
    "pandas": """
import pandas
pandas.set_option("display.max_rows", 7)
pandas.set_option("display.max_colwidth", None)
pandas.set_option("display.float_format", formatted)
""",
    "sklearn": "import sklearn; sklearn.set_config(assume_finite=True, transform_output='pandas')",
    "torch": """
import torch
torch.set_num_threads(3)
torch.set_default_dtype(torch.float64)
torch.set_grad_enabled(False)
torch.use_deterministic_algorithms(True, warn_only=True)
torch.backends.cudnn.benchmark = True
""",
    "matplotlib": """
import matplotlib
matplotlib.use("svg")
matplotlib.rcParams["lines.linewidth"] = 7
matplotlib.rcParams["axes.prop_cycle"] = matplotlib.cycler(color=["r", "g"])
matplotlib.rcParams["savefig.bbox"] = "tight"
""",
    "native_threads": """
import numpy, threadpoolctl
numpy.ones(3) @ numpy.ones(3)
threadpoolctl.threadpool_limits(1)
os.environ["OMP_NUM_THREADS"] = "1"
""",
}

# What a spec would declare, where a facet carries only that.
DECLARED = {
    "contextvars": ["facet_variable:VARIABLE"],
    "modules": ["facet_states:OPTIONS", "facet_states:Config.RATE"],
}


# A facet whose settings are only good together with another's.
NEEDS = {"locale": {"TZ": "EST5EDT"}}


def prepare(name):
    """Import what the state imports, so that the state alone makes the difference."""
    for line in STATES[name].splitlines():
        if line.startswith("import "):
            exec(line.partition(";")[0])


def set_state(name):
    """Set one facet's state in this interpreter."""
    import os
    import sys

    import facet_states

    exec(STATES[name], {**vars(facet_states), "os": os, "sys": sys})


def settings_of(name):
    """Give what a facet carries of this interpreter: what it captures, and what is declared."""
    from workerstate.facets import get

    facet = get(name)
    settings = dict(facet.capture().settings)
    if name in DECLARED:
        settings.update(facet.declared(DECLARED[name]))
    return settings


def others(name, settings, back):
    """Give settings to apply and to put back, with those of the facets that ``name`` needs."""
    needed = NEEDS.get(name)
    if needed is None:
        return {name: settings}, {name: back}
    return (
        {name: settings, "environ": needed},
        {name: back, "environ": dict.fromkeys(needed)},
    )


def carry(settings):
    """In a worker: apply settings; give the keys that differed before, and that differ after."""
    import os

    from workerstate.facets import get
    from workerstate.snapshot import apply_settings

    before = {name: unlike(settings[name], get(name)) for name in settings}
    apply_settings(settings)
    after = {name: unlike(settings[name], get(name)) for name in settings}
    return {"pid": os.getpid(), "before": before, "after": after}


def send(sender, settings):
    """In a worker: send what ``carry`` gives."""
    sender.send(carry(settings))
    sender.close()


def unlike(wanted, facet):
    """Give the keys of which the values here are not the wanted ones."""
    from workerstate.fingerprint import digest

    if not facet.present():
        return sorted(wanted)
    present = dict(facet.capture().settings)
    present.update(facet.declared(DECLARED[facet.name]) if facet.name in DECLARED else {})
    missing = object()
    return [key for key in wanted if digest(wanted[key]) != digest(present.get(key, missing))]
