"""Unit: functions of the main module are pickled once, and anew when what they name changes."""

from __future__ import annotations

import json
import math
import pickle
import sys
import types

import pytest

from workerstate.engine.functions import Functions

pytest.importorskip("cloudpickle")


def main_module(source):
    """Give a namespace as that of a script."""
    space = {"__name__": "__main__", "__builtins__": __builtins__}
    exec(source, space)
    return space


def call(sent, *args):
    """Call what a worker would have."""
    return pickle.loads(pickle.dumps(sent))(*args)


SAME = {
    "no globals": "def f(x): return x",
    "constant": "SUFFIX = 'a'\ndef f(x): return x, SUFFIX, 1.5",
    "tuple": "SIZES = (1, None, 'b')\ndef f(x): return SIZES",
    "module": "import math\ndef f(x): return math.floor(x)",
    "from a module": (
        "from math import floor\nfrom json import dumps\ndef f(x): return dumps(floor(x))"
    ),
    "helper": (
        "def g(x): return h(x) if x < 0 else x\ndef h(x): return g(-x)\ndef f(x): return g(x)"
    ),
    "annotated": "def f(x: int, y: 'str' = 'b') -> float: return x",
    "default": "def f(x, y=2): return x + y",
    "closure": "def make(n):\n    def f(x): return x + n\n    return f\nf = make(3)",
    "inner": "K = 2\ndef f(x): return [K * i for i in range(x)], (lambda: K)()",
    "not there": "def f(x): return missing",
}


@pytest.mark.parametrize("source", SAME.values(), ids=SAME)
def test_is_kept_while_nothing_changes(source):
    """The second task gets the very bytes of the first; a worker can call them."""
    f = main_module(source)["f"]
    functions = Functions()
    first = functions.find(f)
    assert first is not None
    assert functions.find(f) is first
    if source != SAME["not there"]:
        assert call(first, 1) == f(1)
    else:
        with pytest.raises(NameError):
            call(first, 1)


CHANGES = {
    "constant": ("K = 1\ndef f(x): return K", "K = 2"),
    "equal constant of another type": ("K = 1\ndef f(x): return repr(K)", "K = True"),
    "constant of a helper": ("K = 1\ndef g(): return K\ndef f(x): return g()", "K = 2"),
    "helper": ("def g(): return 1\ndef f(x): return g()", "def g(): return 2"),
    "helper's code": (
        "def g(): return 1\ndef h(): return 2\ndef f(x): return g()",
        "g.__code__ = h.__code__",
    ),
    "made": ("def f(x): return K if 'K' in globals() else 0", "K = 5"),
    "deleted": ("K = 1\ndef f(x):\n    try: return K\n    except NameError: return 9", "del K"),
    "default": ("def f(x, y=1): return y", "f.__defaults__ = (2,)"),
    "keyword default": ("def f(x, *, y=1): return y", "f.__kwdefaults__['y'] = 2"),
    "attribute": ("def f(x): return vars(f)", "f.mode = 'b'"),
    "closure": (
        "def make():\n    n = 1\n    def f(x): return n\n    def put():\n        nonlocal n\n"
        "        n = 2\n    return f, put\nf, put = make()",
        "put()",
    ),
    "list": ("K = [1]\ndef f(x): return K", "K.append(2)"),
    "list in a tuple": ("K = ([1],)\ndef f(x): return K", "K[0].append(2)"),
    "list becomes one": ("K = 1\ndef f(x): return K", "K = [1, 2]"),
    "instance": (
        "class C:\n    def __init__(self): self.v = 1\nK = C()\ndef f(x): return K.v",
        "K.v = 2",
    ),
    "class": ("class C:\n    v = 1\ndef f(x): return C.v", "C.v = 2"),
    "list as default": ("def f(x, y=[1]): return y", "f.__defaults__[0].append(2)"),
}


@pytest.mark.parametrize(("source", "change"), CHANGES.values(), ids=CHANGES)
def test_is_pickled_anew_when_anything_changes(source, change):
    """A task that is submitted after the change has it, whatever was kept before."""
    space = main_module(source)
    functions = Functions()
    first = functions.find(space["f"])
    before = repr(space["f"](1))
    assert first is None or repr(call(first, 1)) == before
    exec(change, space)
    second = functions.find(space["f"])
    after = repr(space["f"](1))
    assert after != before
    assert second is None or repr(call(second, 1)) == after


def test_a_patched_library_is_noticed(monkeypatch):
    """What was found by its name, and now isn't, goes by value like any other."""
    f = main_module("from json import dumps\ndef f(x): return dumps(x)")["f"]
    functions = Functions()
    assert functions.find(f) is not None
    monkeypatch.setattr(json, "dumps", lambda x: "patched")
    assert functions.find(f) is None


def test_modules_that_come_later_are_noticed(monkeypatch):
    """What cloudpickle sends along are the submodules that were imported by then."""
    f = main_module("import math\ndef f(x): return math.floor(x)")["f"]
    functions = Functions()
    first = functions.find(f)
    monkeypatch.setitem(sys.modules, "a_module_that_comes_later", types.ModuleType("later"))
    assert functions.find(f) is not first


@pytest.mark.parametrize("fn", [math.floor, json.dumps, "text", int, print])
def test_only_functions_of_the_main_module(fn):
    """All else goes by its name."""
    assert Functions().find(fn) is None


def test_what_is_not_kept_is_not_held():
    """A function that refers to an object doesn't keep that alive."""
    import gc
    import weakref

    space = main_module("class C: pass\nk = C()\ndef f(x): return k")
    functions = Functions()
    assert functions.find(space["f"]) is None
    gone = weakref.ref(space["k"])
    space.clear()
    gc.collect()
    assert gone() is None


def test_modules_sent_by_value_are_left_to_cloudpickle():
    """Where the program has some, nothing is kept."""
    import cloudpickle

    f = main_module("import json\ndef f(x): return json.dumps(x)")["f"]
    cloudpickle.register_pickle_by_value(json)
    try:
        assert Functions().find(f) is None
    finally:
        cloudpickle.unregister_pickle_by_value(json)
