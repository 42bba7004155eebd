r"""joblib's own tests of its loky backend, on our workers: a plugin for pytest, run by hand.

    PYTHONPATH=tests python -m pytest -c /dev/null -p joblib_suite \
        --pyargs joblib.test.test_parallel -k loky

The name ``loky`` then means our backend. What differs is listed, each with its reason; a test that
is listed and passes is an error.
"""

from __future__ import annotations

import joblib
import pytest

from workerstate.backends.joblib import register

INJECTED = "it compares the backend with the class or the name under which loky is known"
MEMMAP = "large arrays come as arrays, through shared memory, not as read-only memmaps"
INITIALIZER = "an initializer belongs to the spec; joblib's own is refused by name"
DIFFERENT = {
    "test_nested_parallel_warnings[loky-multiprocessing": (
        "joblib's multiprocessing knows that it runs below loky; below ours it may make processes"
    ),
    "test_error_capture[loky]": (
        "KeyboardInterrupt in a task is WorkerDiedError: it would end the program that waits for it"
    ),
    "test_backend_context_manager[": INJECTED,
    "test_nested_backend_in_sequential[": INJECTED,
    "test_nested_parallelism_limit[": INJECTED,
    "test_auto_memmap_on_arrays_from_generator[loky]": MEMMAP,
    "test_memmapping_leaks[loky]": MEMMAP,
    "test_multiple_generator_call_separated_gc[": (
        "it wants loky's error for a call made while another's generator is dropped; here both run"
    ),
    "test_initializer_": INITIALIZER,
}


def pytest_configure() -> None:
    """Put our backend in loky's place."""
    register()
    joblib.parallel.BACKENDS["loky"] = joblib.parallel.BACKENDS["workerstate"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what differs."""
    for item in items:
        for name, reason in DIFFERENT.items():
            if item.name.startswith(name) and "loky" in item.name:
                item.add_marker(pytest.mark.xfail(reason=reason, strict=True))
