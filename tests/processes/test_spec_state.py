"""Processes: carried state in pools that are reused, grown, and made anew."""

from __future__ import annotations

import logging
import multiprocessing as mp
import os
import shutil
from concurrent.futures import ProcessPoolExecutor
from unittest import mock

import pytest
import spec_workers

from workerstate import Executor, WorkerSpec, WorkerStartError, start_reports

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@pytest.fixture(autouse=True)
def _options():
    yield
    spec_workers.OPTIONS["depth"] = 1
    logging.getLogger("spec.workers").setLevel(logging.NOTSET)


@pytest.fixture
def loky_pool():
    """Give loky's own module, and end its workers."""
    loky = pytest.importorskip("loky")
    yield loky
    loky.get_reusable_executor().shutdown(wait=True)


CARRY = ["spec_workers:OPTIONS", "logging"]


def test_a_grown_pool_is_no_mixed_fleet(loky_pool):
    """After a change and a growth from 2 to 3, old and new workers have the same state."""
    spec = WorkerSpec(carry=CARRY)
    pool = loky_pool.get_reusable_executor(2, timeout=60, **spec.loky())
    old = {pid for pid, _ in pool.map(spec.bind(spec_workers.options), range(6))}
    spec_workers.OPTIONS["depth"] = 2
    pool = loky_pool.get_reusable_executor(3, timeout=60, **spec.loky())
    found = list(pool.map(spec.bind(spec_workers.options), range(18)))
    assert {depth for _, depth in found} == {2}
    assert old <= {pid for pid, _ in found}


def test_an_equal_spec_keeps_lokys_workers(loky_pool):
    """A spec made anew with the same declaration is the same to loky; another one is not."""
    first = loky_pool.get_reusable_executor(2, timeout=60, **WorkerSpec(carry=CARRY).loky())
    assert loky_pool.get_reusable_executor(2, timeout=60, **WorkerSpec(carry=CARRY).loky()) is first
    other = loky_pool.get_reusable_executor(2, timeout=60, **WorkerSpec(seed=1).loky())
    assert other is not first


def test_a_worker_that_starts_later_has_the_state_of_then(start_method):
    """An initializer carries what the parent has when the worker starts, not when it was given."""
    spec = WorkerSpec(carry=CARRY)
    with mp.get_context(start_method).Pool(1, initializer=spec, maxtasksperchild=1) as pool:
        pool.apply(spec_workers.options)
        spec_workers.OPTIONS["depth"] = 3
        pool.apply(spec_workers.options)  # may be run by one that had started before
        assert pool.apply(spec.bind(spec_workers.options))[1] == 3
        pool.close()
        pool.join()


def test_two_specs_in_one_worker_do_not_mix(start_method):
    """Tasks of two specs that share a pool each find what theirs declares."""
    low = WorkerSpec(set={"logging": {"spec.workers.level": 10}})
    high = WorkerSpec(set={"logging": {"spec.workers.level": 40}})
    with ProcessPoolExecutor(1, mp_context=mp.get_context(start_method)) as pool:
        assert pool.submit(low.bind(spec_workers.level)).result(30) == 10
        assert pool.submit(high.bind(spec_workers.level)).result(30) == 40
        assert pool.submit(low.bind(spec_workers.level)).result(30) == 10


def test_a_pool_that_was_there_before_takes_bound_tasks(start_method):
    """A pool that the user started without us runs bound tasks as declared."""
    with ProcessPoolExecutor(1, mp_context=mp.get_context(start_method)) as pool:
        pool.submit(os.getpid).result(30)
        spec_workers.OPTIONS["depth"] = 7
        bound = WorkerSpec(carry=CARRY).bind(spec_workers.options)
        assert pool.submit(bound).result(30)[1] == 7


def test_a_variable_that_the_parent_deleted_is_gone(start_method, monkeypatch):
    """A variable taken out of the environment goes from reused workers too."""
    monkeypatch.setenv("SPEC_TEST_VARIABLE", "here")
    with Executor(1, spec=WorkerSpec(carry=["environ"]), start_method=start_method) as pool:
        assert pool.submit(os.getenv, "SPEC_TEST_VARIABLE").result(30) == "here"
        monkeypatch.delenv("SPEC_TEST_VARIABLE")
        assert pool.submit(os.getenv, "SPEC_TEST_VARIABLE").result(30) is None


def test_a_patch_holds_as_long_as_in_the_parent(start_method):
    """A mock and a lambda in the place of functions are carried, and gone when they are gone."""
    spec = WorkerSpec(carry=["spec_workers:number", "spec_workers:level"])
    with Executor(1, spec=spec, start_method=start_method) as pool:
        real = pool.submit(spec_workers.call_both).result(30)
        with (
            mock.patch.object(spec_workers, "number", return_value=42),
            mock.patch("spec_workers.level", lambda: "fake"),  # noqa: PT008  # the point of it
        ):
            patched = pool.submit(spec_workers.call_both).result(30)
        after = pool.submit(spec_workers.call_both).result(30)
    assert patched == (42, "fake")
    assert after == real


@pytest.mark.parametrize("carry", ["spec_workers:*", "spec_workers:Settings"])
def test_attributes_of_a_class_are_carried(carry, start_method, monkeypatch):
    """The attributes of a class are the parent's as of submit, and so are its other values."""
    before = spec_workers.settings()
    with Executor(1, spec=WorkerSpec(carry=[carry]), start_method=start_method) as pool:
        assert pool.submit(spec_workers.settings).result(30) == before
        with monkeypatch.context() as patch:
            patch.setattr(spec_workers.Settings, "rate", 9)
            patch.setattr(spec_workers.Settings, "names", ["y"])
            patch.setattr(spec_workers.Settings.Inner, "depth", 7)
            patch.setattr(spec_workers, "PLACE", spec_workers.PLACE / "there")
            place = "there" if carry.endswith("*") else "here"
            assert pool.submit(spec_workers.settings).result(30) == (9, ["y"], 7, place)
        assert pool.submit(spec_workers.settings).result(30) == before


def test_workers_verify_what_they_applied(start_method):
    """A start report counts, per facet, the settings that were read back equal."""
    given = {"decimal": {"prec": 9}, "spec_workers:OPTIONS": {"depth": 4}}
    spec = WorkerSpec(carry=["warnings"], set=given)
    with Executor(1, spec=spec, start_method=start_method) as pool:
        pool.submit(os.getpid).result(30)
        (report,) = pool.starts()
    assert report.state == "started"
    assert report.start_method == start_method
    assert dict(report.verified) == {"warnings": 1, "decimal": 1, "modules": 1}


def test_what_reads_back_otherwise_is_a_failed_start():
    """A setting that the worker refuses is told with its facet, not passed over."""
    spec = WorkerSpec(set={"spec_workers:no_such_class.NAME": 3})
    with (
        Executor(1, spec=spec, start_method="spawn") as pool,
        pytest.raises(WorkerStartError, match="facet 'modules'"),
    ):
        pool.submit(os.getpid).result(30)


def test_everything_that_is_there_can_be_carried(start_method):
    """``carry="all"`` takes each facet that is present, without a single refusal."""
    with Executor(1, spec=WorkerSpec(carry="all"), start_method=start_method) as pool:
        pool.submit(os.getpid).result(60)
        (report,) = pool.starts()
    assert report.notes == ()
    assert {"logging", "warnings", "environ"} <= report.verified.keys() | {"logging"}


def test_a_folder_that_was_cleaned_away_is_made_again(monkeypatch):
    """What /tmp had of a program may go while it runs: what is carried next is put there anew."""
    monkeypatch.setenv("SETTING_OF_A_TEST", "1")
    with Executor(1, spec=WorkerSpec(carry=["environ"]), start_method="fork") as pool:
        assert pool.submit(os.getenv, "SETTING_OF_A_TEST").result(30) == "1"
        folder = start_reports.folder()
        kept = folder + ".kept"
        os.rename(folder, kept)
        try:
            for value in ("2", "1"):
                monkeypatch.setenv("SETTING_OF_A_TEST", value)
                assert pool.submit(os.getenv, "SETTING_OF_A_TEST").result(30) == value
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            os.rename(kept, folder)
