"""Tasks that need a module in different ways: what explain predicts, and what a worker did.

Each row has a copy of the module of its own, so that one worker can try them all. A copy notes in
a file beside it when it was imported: while its worker unpickled a task, or in a call.
"""

import functools
import importlib
import json
import os
import sys
import types

from joblib import Parallel, delayed

from workerstate.explaining.task import explain_for

FUTURE = "from __future__ import annotations\n"
MODULE = """
import functools, os, sys

def _moment():
    frame, called = sys._getframe(1), False
    while frame is not None:
        name, file = frame.f_code.co_name, os.path.basename(frame.f_code.co_filename)
        if name == "get" and file == "queues.py":
            return "unpickle"
        called = called or name == "_process_worker"
        frame = frame.f_back
    return "call" if called else "elsewhere"

with open(__file__ + ".log", "a") as file:
    print(_moment(), file=file)

CONST, WORD, NUMBERS, TABLE = 10, "ten", [1, 0], {"a": 1}
COUNTS = {"calls": 0}

def f(*args): return "f"
def read_const(): return CONST

def deco(function):
    @functools.wraps(function)
    def wrapper(*args): return function(*args)
    return wrapper

@deco
def decorated(*args): return "decorated"

class K:
    def m(self, *args): return "m"
    def __call__(self, *args): return "called"
    @staticmethod
    def s(*args): return "s"

INSTANCE = K()

def make_lambda(): return lambda *args: "lambda"
def make_closure(value):
    def inner(*args): return value
    return inner
def make_local():
    class Local:
        def m(self, *args): return "local"
    return Local().m
def make_naming():
    def inner(*args): return f(), K
    return inner
def make_counting():
    def inner(*args):
        COUNTS["calls"] += 1
        return COUNTS["calls"]
    return inner
def rebound(*args): return "before"
"""


def make(name):
    """Give a new copy of the module."""
    with open(os.path.join(os.path.dirname(__file__), f"{name}.py"), "w") as file:
        file.write(MODULE)
    importlib.invalidate_caches()
    return importlib.import_module(name)


def define(source, **names):
    """Give the function t that the source defines, as the main module's own."""
    namespace = globals()
    namespace.update(names)
    exec(source, namespace)
    return namespace.pop("t")


class Main:
    def m(self, *args):
        return "main"


def rows():
    """Give name, task and arguments; each made with a new copy of the module."""
    plain = {
        "function": lambda tm: tm.f,
        "partial": lambda tm: functools.partial(tm.f, 1),
        "decorated in its module": lambda tm: tm.decorated,
        "instance": lambda tm: tm.K(),
        "method": lambda tm: tm.K().m,
        "static method": lambda tm: tm.K.s,
        "lambda made there": lambda tm: tm.make_lambda(),
        "closure made there": lambda tm: tm.make_closure(3),
        "method of a local class made there": lambda tm: tm.make_local(),
        "closure made there that names": lambda tm: tm.make_naming(),
        "closure made there that mutates": lambda tm: tm.make_counting(),
        "wrapped": lambda tm: tm.decorated.__wrapped__,
    }
    for name, pick in plain.items():
        yield name, pick(make(name.replace(" ", "_"))), ()

    tm = make("was_rebound")
    before, tm.rebound = tm.rebound, tm.f
    yield "rebound", before, ()

    bodies = {
        "names the module": "def t(): return TM.f",
        "lambda names the module": "t = lambda: TM.f",
        "nested names the module": "def t():\n def inner(): return TM.f\n return inner()",
        "imports in the body": "def t(): import its_name; return 1",
        "does not name the module": "def t(): return 1",
        "asks globals()": "def t(): return globals().get('TM')",
        "default": "def t(x=TM.INSTANCE): return 1",
        "annotation": "def t(x: TM.K = None): return 1",
        "annotation from the future": FUTURE + "def t(x: TM.K = None): return 1",
    }
    for name, body in bodies.items():
        module = make("main_" + name.replace(" ", "_").replace("()", ""))
        alias = module.__name__.upper()
        source = body.replace("TM", alias).replace("its_name", module.__name__)
        yield name, define(source, **{alias: module}), ()

    for name in ("f", "K", "INSTANCE", "CONST", "WORD", "NUMBERS", "TABLE"):
        module = make(f"from_{name.lower()}")
        alias = f"FROM_{name}"
        task = define(f"def t(): return str({alias})", **{alias: getattr(module, name)})
        yield f"names {name} of it", task, ()

    yield "instance as argument", define("def t(x): return 1"), (make("as_argument").K(),)
    deco = make("main_decorated").deco
    yield "decorated by it", define("@DECO\ndef t(): return 1", DECO=deco), ()
    yield "class of main", Main().m, ()

    module = make("by_value")
    cloudpickle().register_pickle_by_value(module)
    yield "registered by value", module.f, ()


def cloudpickle():
    """Give joblib's cloudpickle, which it had inside until 1.6."""
    try:
        return importlib.import_module("joblib.externals.cloudpickle")
    except ImportError:
        return importlib.import_module("cloudpickle")


def predict(task, args):
    """Say how the task goes, and when modules of ours are imported."""
    (shipping,) = explain_for(["joblib"], task, args).as_dict()["shippings"]
    here = os.path.dirname(__file__)
    when = {
        row["when"]
        for row in shipping["imports"]
        if os.path.exists(os.path.join(here, f"{row['module']}.py"))
    }
    failed = [row["error"] for row in shipping["imports"] if row["error"]]
    return {"by": shipping["by"], "when": sorted(when), "failed": failed}


def logs():
    """Give the notes of all copies, and forget them."""
    here, found = os.path.dirname(__file__), set()
    for name in os.listdir(here):
        if name.endswith(".log"):
            with open(os.path.join(here, name)) as file:
                found |= set(file.read().split())
            os.unlink(os.path.join(here, name))
    return sorted(found)


def loaded_by_hand():
    """Give a function of a module that no worker can import."""
    module = types.ModuleType("by_hand")
    exec("def f(): return 1", module.__dict__)
    sys.modules["by_hand"] = module
    return module.f


def run(task, args):
    """Run the task in a worker; give what it returned or raised."""
    try:
        (result,) = Parallel(n_jobs=2)([delayed(task)(*args)])
    except Exception as error:
        return type(error).__name__
    return str(result)


def main():
    """Print, for each row, what was predicted and what happened."""
    told = {}
    # The parent's module is changed: what a worker sees depends on how the task goes.
    module = make("changed")
    module.CONST = 99
    later = [
        ("reads its module's global", module.read_const),
        ("carries the global", define("def t(): return COPIED", COPIED=module.CONST)),
    ]
    for name, task, args in [*rows(), *((name, task, ()) for name, task in later)]:
        predicted = predict(task, args)
        logs()
        result = run(task, args)
        told[name] = {"predicted": predicted, "happened": logs(), "result": result}
    task = loaded_by_hand()
    told["not importable"] = {
        "predicted": predict(task, ()),
        "happened": [],
        "result": run(task, ()),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
