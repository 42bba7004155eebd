"""Unit: what belongs to the program, and names that lead to its objects."""

from __future__ import annotations

import functools
import json
import logging
import os
import sys
import types

import pytest

from workerstate import program
from workerstate.program import from_recipe, load, program_names, recipe, reference, user_modules


class Prefix:
    """What a recipe can be given of."""

    made = 0

    def __init__(self, prefix):
        type(self).made += 1
        self.prefix = prefix

    def method(self):
        return self.prefix

    @staticmethod
    def static():
        return 1


class Slotted:
    __slots__ = ("prefix",)


class Holding(list):
    """An instance keeps more than its attributes."""


def helper():
    return 1


def decorated(function):
    @functools.wraps(function)
    def wrapper():
        return function()

    return wrapper


@decorated
def wrapped():
    return 1


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Give a function that makes an imported module of the program."""
    monkeypatch.setattr(program, "_foreign", set())

    def make(name, file="here.py", **namespace):
        made = types.ModuleType(name)
        if file is not None:
            made.__file__ = str(tmp_path / file)
        made.__dict__.update(namespace)
        monkeypatch.setitem(sys.modules, name, made)
        return made

    return make


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (helper, f"{__name__}:helper"),
        (wrapped, f"{__name__}:wrapped"),
        (Prefix, f"{__name__}:Prefix"),
        (Prefix.method, f"{__name__}:Prefix.method"),
        (Prefix.static, f"{__name__}:Prefix.static"),
        (len, "builtins:len"),
        (ValueError, "builtins:ValueError"),
        (json.dumps, "json:dumps"),
        (lambda: 1, None),
        (wrapped.__wrapped__, None),
        (Prefix("a").method, None),
        (functools.partial(helper), None),
        ("text", None),
        (None, None),
    ],
)
def test_references_lead_back(value, name):
    """A reference is given exactly where importing by that name gives the very object."""
    assert reference(value) == name
    if name is not None:
        assert load(name) is value


def test_a_replaced_function_has_no_reference(monkeypatch):
    """A function that is no longer what its name leads to can't be carried by name."""
    original = helper
    monkeypatch.setitem(globals(), "helper", lambda: 2)
    assert reference(original) is None


def test_recipes_make_equal_objects_without_their_initializer():
    """A filter made from plain data has the class and the attributes of the first."""
    first = Prefix("app")
    Prefix.made = 0
    again = from_recipe(recipe(first))
    assert type(again) is Prefix
    assert vars(again) == vars(first)
    assert Prefix.made == 0
    assert from_recipe(recipe(helper)) is helper


def test_what_keeps_more_than_plain_attributes_has_no_recipe():
    """Slots, contents and attributes that are not plain can't be carried as a recipe."""
    odd = Prefix(object())
    slotted = Slotted()
    slotted.prefix = "a"
    for value in (odd, slotted, Holding([1]), logging.getLogger("a").handle, lambda: 1):
        assert recipe(value) is None


def test_user_modules_are_those_with_a_file_outside_installed_ones(module):
    """Neither the standard library, installed packages, nor this package belong to the program."""
    module("own_module", OPTION=1)
    module("installed", file="site-packages/installed.py")
    module("debian", file="dist-packages/debian.py")
    module("no_file", file=None)
    module("lazy", file="lazy.py").__class__ = type("Lazy", (types.ModuleType,), {})
    found = user_modules()
    assert found["own_module"]["OPTION"] == 1
    assert "lazy" in found
    assert __name__ in found
    foreign = {
        "installed",
        "debian",
        "no_file",
        "json",
        "os",
        "pytest",
        "workerstate.values",
        "sys",
    }
    assert foreign.isdisjoint(found)


def test_odd_entries_of_sys_modules_are_passed_over(module, monkeypatch):
    """None and objects that are no modules, in sys.modules, are left alone."""
    monkeypatch.setitem(sys.modules, "blocked", None)
    monkeypatch.setitem(sys.modules, "stub", object())
    assert {"blocked", "stub"}.isdisjoint(user_modules())


def test_the_main_module_goes_by_one_name(module):
    """In a worker of spawn the program's main module is found under __main__."""
    module("__mp_main__", OPTION=1)
    main = module("__main__", OPTION=2)
    assert user_modules()["__main__"] is vars(main)
    main.__file__ = "/venv/site-packages/loky/backend/popen_loky_posix.py"
    assert user_modules()["__main__"]["OPTION"] == 1


def test_a_main_module_without_a_file_is_the_programs(module):
    """What python -c and notebooks define is looked at."""
    module("__main__", file=None, OPTION=1)
    assert user_modules()["__main__"]["OPTION"] == 1


def test_names_worth_comparing(module):
    """Globals and class attributes count; dunders, modules and typing names do not."""
    import typing

    class Config:
        RATE = 1
        __slots__ = ("slot",)

        def method(self):
            return 1

    Config.__module__, Config.__qualname__ = "app", "Config"
    namespace = {
        "OPTION": 1,
        "_private": 2,
        "Config": Config,
        "Imported": Prefix,
        "os": os,
        "Pair": typing.TypeVar("Pair"),
        "Names": list[int],
        "__all__": [],
        "annotations": __import__("__future__").annotations,
        7: "no name",
    }
    names = [name for name, _ in program_names("app", namespace)]
    assert names == ["OPTION", "_private", "Config", "Config.RATE", "Config.method", "Imported"]


def test_load_says_what_is_missing():
    """A name that leads nowhere is an ImportError or an AttributeError, as when importing."""
    with pytest.raises(ImportError):
        load("not_there_at_all:x")
    with pytest.raises(AttributeError):
        load("json:not_there")
