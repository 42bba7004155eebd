"""Unit: the streams of random numbers. No processes."""

from __future__ import annotations

import builtins
import itertools
import random
import subprocess
import sys

import pytest

from workerstate.seeds import Stream, restore_globals, save_globals, seed_globals

KEYS = [
    (0, 0, 0),
    (0, 0, 1),
    (0, 1, 0),
    (1, 0, 0),
    (0, 0, "0"),
    (0, 0, b"0"),
    (0, 0, "a"),
    (2**70, 0, 0),
]


def first(root, call, key):
    return Stream(root, call, key).stdlib_rng().random()


def test_each_part_of_the_key_counts():
    """Root seed, call, index and the kind of key each make another stream."""
    assert len({first(*key) for key in KEYS}) == len(KEYS)


def test_the_stream_is_fixed():
    """The numbers are these in every version: a result that was published can be had again."""
    assert first(42, 0, 0) == 0.5807062542786436
    assert first(42, 1, "user-7") == pytest.approx(0.5, abs=0.5)


def test_numpy_streams_follow_seed_sequence():
    """An index's numpy stream can be made by hand: SeedSequence(seed, spawn_key=(call, index))."""
    numpy = pytest.importorskip("numpy")
    by_hand = numpy.random.default_rng(numpy.random.SeedSequence(42, spawn_key=(3, 7)))
    assert (Stream(42, 3, 7).rng().random(5) == by_hand.random(5)).all()


def test_the_same_generator_goes_on():
    """Within a task each call gives the same generator, which goes on."""
    stream = Stream(1, 0, 0)
    assert stream.stdlib_rng() is stream.stdlib_rng()
    assert stream.stdlib_rng().random() != stream.stdlib_rng().random()


def test_without_numpy_the_error_says_what_to_use(monkeypatch):
    """``rng()`` without numpy names the stdlib's generator."""
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name == "numpy":
            raise ImportError("no numpy")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ImportError, match="stdlib_rng"):
        Stream(1, 0, 0).rng()


def test_stdlib_streams_do_not_depend_on_numpy():
    """The same numbers come from a process that has never seen numpy."""
    code = "from workerstate.seeds import Stream; print(Stream(7, 2, 'k').stdlib_rng().random())"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(_source())},
    )
    pytest.importorskip("numpy")
    assert float(done.stdout) == first(7, 2, "k")


def test_globals_are_seeded_and_put_back():
    """Seeding a task's global generators leaves nothing behind when they are put back."""
    numpy = pytest.importorskip("numpy")
    random.seed(1)
    numpy.random.seed(1)
    kept = save_globals()
    expected = random.Random(1).random(), numpy.random.RandomState(1).random_sample()
    seed_globals(Stream(5, 0, 0))
    drawn = random.random(), numpy.random.random_sample()
    seed_globals(Stream(5, 0, 0))
    assert (random.random(), numpy.random.random_sample()) == drawn
    restore_globals(kept)
    assert (random.random(), numpy.random.random_sample()) == expected


def test_neighbouring_streams_are_unrelated():
    """The streams of a thousand neighbouring tasks are spread evenly and share no number."""
    drawn = [first(0, 0, index) for index in range(1000)]
    assert len(set(drawn)) == 1000
    assert abs(sum(drawn) / 1000 - 0.5) < 0.05
    below = sum(1 for one, two in itertools.pairwise(drawn) if one < two)
    assert 400 < below < 600


def _source():
    import workerstate

    return workerstate.__path__[0].rpartition("/")[0]
