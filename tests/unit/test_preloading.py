"""Modules that workers import first, wherever the parent has them from."""

from __future__ import annotations

import gc
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from workerstate import preloading

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "module_to_preload"


@pytest.fixture
def module(tmp_path: Path) -> Iterator[Path]:
    """The file of a module that this process has not imported, and forgets again."""
    path = tmp_path / f"{NAME}.py"
    path.write_text("X = 1\n")
    yield path
    sys.modules.pop(NAME, None)


def loaded(path: Path) -> ModuleType:
    """Load a file as programs do that load their plug-ins."""
    spec = importlib.util.spec_from_file_location(NAME, path)
    assert spec is not None
    assert spec.loader is not None
    sys.modules[NAME] = made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_what_an_import_finds_goes_by_name() -> None:
    """Modules of the path, builtin ones, submodules and unknown ones are imported by name."""
    names = ["json", "sys", "json.decoder", "no_such_module"]
    assert json is sys.modules["json"]
    assert preloading.sources(names) == tuple((name, None, None) for name in names)


def test_what_no_import_finds_goes_with_its_file(module: Path) -> None:
    """A module loaded from a file off the path goes with that file, and is loaded from it."""
    loaded(module)
    assert preloading.sources([NAME]) == ((NAME, str(module), None),)
    del sys.modules[NAME]
    preloading.load(NAME, str(module))
    assert sys.modules[NAME].X == 1
    first = sys.modules[NAME]
    preloading.load(NAME, str(module))
    assert sys.modules[NAME] is first


def test_a_module_of_that_name_elsewhere_is_another_one(
    module: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where an import would find another file, the parent's goes along."""
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / module.name).write_text("X = 2\n")
    monkeypatch.syspath_prepend(tmp_path / "path")
    loaded(module)
    assert preloading.sources([NAME]) == ((NAME, str(module), None),)


@pytest.fixture
def stub() -> Iterator[ModuleType]:
    """A module made by hand, as tests put one in the place of a driver."""
    made = ModuleType(NAME)
    sys.modules[NAME] = made
    yield made
    sys.modules.pop(NAME, None)


def test_a_module_made_by_hand_is_made_of_what_it_holds(stub: ModuleType) -> None:
    """A stub goes with what it holds, functions without a name included."""
    stub.LEVEL = 3
    stub.read = lambda channel: channel + 0.5
    ((name, file, contents),) = preloading.sources([NAME])
    assert (name, file) == (NAME, None)
    del sys.modules[NAME]
    preloading.load(name, file, contents)
    made = sys.modules[NAME]
    assert made is not stub
    assert (made.LEVEL, made.read(1)) == (3, 1.5)


@pytest.mark.parametrize("kind", ["no pickle", "its own"])
def test_a_module_that_cannot_be_sent_whole_is_missed(kind: str, stub: ModuleType) -> None:
    """A module of which a part can't be sent goes by name, and the worker says it is missing."""
    stub.HELD = (value for value in ()) if kind == "no pickle" else type("T", (), {})
    if kind == "its own":
        stub.HELD.__module__ = NAME
    assert preloading.sources([NAME]) == ((NAME, None, None),)
    del sys.modules[NAME]
    with pytest.raises(ModuleNotFoundError, match=NAME):
        preloading.load(NAME)


def test_a_module_that_fails_leaves_nothing(module: Path, tmp_path: Path) -> None:
    """Its own error is raised, and no half of it stays."""
    module.write_text("X = 1\nraise ValueError('mine')\n")
    with pytest.raises(ValueError, match="mine"):
        preloading.load(NAME, str(module))
    assert NAME not in sys.modules
    with pytest.raises(ImportError, match="no module"):
        preloading.load(NAME, str(tmp_path / "data.txt"))


def test_collections_are_rare_while_modules_are_imported() -> None:
    """Afterwards they are as before, unless a module has set them; turned off, they stay so."""
    before = gc.get_threshold()
    try:
        with preloading.rare_collections():
            assert gc.get_threshold()[0] > before[0]
        assert gc.get_threshold() == before
        with preloading.rare_collections():
            gc.set_threshold(99, 9, 9)
        assert gc.get_threshold()[:2] == (99, 9)
        gc.set_threshold(0)
        with preloading.rare_collections():
            assert gc.get_threshold()[0] == 0
    finally:
        gc.set_threshold(*before)
