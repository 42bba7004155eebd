"""Architecture: the names that others may rely on."""

from __future__ import annotations

import inspect
import pickle
import subprocess
import sys
from importlib import import_module

import pytest

import workerstate
from workerstate import cli, errors
from workerstate.observe.seams import PARENT, hook
from workerstate.observe.seams.workers import LOOPS

ERRORS = [
    value
    for value in vars(errors).values()
    if inspect.isclass(value)
    and issubclass(value, BaseException)
    and value.__module__ == errors.__name__
]


def test_names_are_listed_in_order_and_once() -> None:
    """`__all__` is sorted, without doubles, and agrees with `dir()`."""
    assert [*workerstate.__all__] == sorted({*workerstate.__all__})
    assert dir(workerstate) == sorted(workerstate.__all__)


@pytest.mark.parametrize("name", workerstate.__all__)
def test_each_name_is_there_and_says_what_it_is(name: str) -> None:
    """Each public name can be had, is documented, and says that it is of this package."""
    value = getattr(workerstate, name)
    if name != "__version__":
        assert value.__module__.startswith("workerstate.")
        assert (value.__doc__ or "").strip().partition("\n")[0].endswith((".", ":"))


def test_star_import_and_unknown_names() -> None:
    """`from workerstate import *` gives exactly the public names; others are an AttributeError."""
    program = (
        "before = set(globals()) | {'before'}; exec('from workerstate import *'); "
        "import workerstate as w; assert set(w.__all__) == set(globals()) - before - {'w'}"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = workerstate.nonsense  # type: ignore[attr-defined]


@pytest.mark.parametrize("verb", cli.VERBS)
def test_each_verb_is_one_file(verb: str) -> None:
    """A verb's file has its help, its parser and what it does."""
    module = import_module(f"workerstate.cli.{verb}")
    assert module.__doc__
    assert callable(module.add_parser)
    assert callable(module.run)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_each_error_is_ours_and_survives_pickling(error: type[BaseException]) -> None:
    """Every error has our base, its documentation, and its text after a pickle."""
    assert issubclass(error, errors.WorkerstateError)
    assert error.__doc__
    for arguments in ((), ("text",), ("a", "b"), ("a", "b", "c")):
        try:
            original = error(*arguments)
        except TypeError:
            continue  # not made with so many facts
        copy = pickle.loads(pickle.dumps(original))
        assert type(copy) is error
        assert copy.args == original.args


def test_tables_of_seams_agree() -> None:
    """What the hook watches for has a seam, and each seam named in a table can be loaded."""
    assert set(PARENT) == hook.WATCHED
    for file in {*PARENT.values(), *LOOPS.values()}:
        seam = import_module(f"workerstate.observe.seams.{file}")
        assert callable(getattr(seam, "install" if file in PARENT.values() else "enter"))
    for file in LOOPS.values():
        assert callable(import_module(f"workerstate.observe.seams.{file}").enter)
