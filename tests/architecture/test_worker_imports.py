"""Architecture: what observing brings into the processes that are observed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness import Finished, Observed

HOOK = Path(__file__).resolve().parents[2] / "src" / "workerstate" / "observe" / "hook.py"

# Small modules without a file of Python code, and the door we come in by.
ALLOWED = {"__future__", "_blake2", "gc", "sitecustomize", "_opcode", "opcode"}
EXPENSIVE = {
    *("typing", "dataclasses", "argparse", "json", "rich", "importlib.metadata", "inspect"),
    *("tempfile", "pathlib", "ast", "textwrap", "difflib", "subprocess", "enum", "asyncio"),
}

NAMES = """
import json, multiprocessing, sys
def names():
    return sorted(sys.modules)
if __name__ == "__main__":
    with multiprocessing.get_context(sys.argv[1]).Pool(1) as pool:
        pool.apply(abs, (1,))
        worker = pool.apply(names)
        pool.close(); pool.join()
    print(json.dumps([worker, names()]))
"""


@pytest.fixture(scope="module", params=["spawn", "forkserver", "fork"])
def brought(
    request: pytest.FixtureRequest,
    run_plain: Callable[..., Finished],
    run_observed: Callable[..., Observed],
) -> list[set[str]]:
    """What observed processes have in sys.modules beyond unobserved ones: worker, parent."""
    plain = json.loads(run_plain(NAMES, request.param).stdout)
    seen = run_observed(NAMES, request.param).printed
    return [set(ours) - set(theirs) for ours, theirs in zip(seen, plain, strict=True)]


def test_workers_get_nothing_but_ours(brought: list[set[str]]) -> None:
    """Neither worker nor parent has a module more than ours and a few built-in ones."""
    for names in brought:
        foreign = {name for name in names if name.partition(".")[0] != "workerstate"}
        assert foreign <= ALLOWED, foreign - ALLOWED
        assert not names & EXPENSIVE


def test_workers_get_only_the_watching_half(brought: list[set[str]]) -> None:
    """What launches, reads and reports is never in an observed process."""
    halves = ("cli", "report", "lab", "observe.launch", "observe.document", "observe.rules")
    for names in brought:
        assert not [n for n in names if n.startswith(tuple(f"workerstate.{h}" for h in halves))]
        assert "workerstate.observe.hook" in names


def test_a_plain_program_gets_the_hook_alone(run_observed: Callable[..., Observed]) -> None:
    """A program without workers has nothing of ours but the hook."""
    source = "import sys; print(*(n for n in sys.modules if n.startswith('workerstate')))\n"
    assert run_observed(source).stdout.split() == [b"workerstate.observe.hook"]


def test_the_hook_loads_no_file() -> None:
    """Loading the hook imports nothing that the interpreter has not imported for itself."""
    program = (
        "import sys\n"
        "import _frozen_importlib as core, _frozen_importlib_external as files, os, time, _thread\n"
        "before = set(sys.modules)\n"
        f"spec = files.spec_from_file_location('hook', {str(HOOK)!r})\n"
        "module = core.module_from_spec(spec); spec.loader.exec_module(module)\n"
        "print(sorted(set(sys.modules) - before))\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, timeout=60, check=True
    )
    assert done.stdout == b"[]\n"


def test_importing_the_package_is_cheap() -> None:
    """`import workerstate`, which every declared worker does, loads one file."""
    program = (
        "import sys; before = set(sys.modules); import workerstate; "
        "print(sorted(set(sys.modules) - before - {'__future__'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, timeout=60, check=True
    )
    assert done.stdout == b"['workerstate']\n"
