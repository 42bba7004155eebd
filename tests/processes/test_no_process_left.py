"""The check that no test leaves a process behind: it must notice, and must not cry wolf."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import harness

TESTS = Path(__file__).resolve().parents[1]

LEAVING = {
    "a child": "subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE)",
    "an orphan in a session of its own": """
    code = "import os, time; os.setsid(); os.fork() and os._exit(0); time.sleep(600)"
    subprocess.run([sys.executable, '-c', code], check=True)
""",
}
CLEAN = {
    "a child that ends": "subprocess.Popen([sys.executable, '-c', 'pass'])",
    "an orphan that ends": """
    code = "import os, time; os.fork() and os._exit(0); time.sleep(0.2)"
    subprocess.run([sys.executable, '-c', code], check=True)
""",
    "helpers that stay": """
    import multiprocessing
    context = multiprocessing.get_context('forkserver')
    process = context.Process(target=print); process.start(); process.join()
    assert context.Lock()
""",
}


def outcome(body: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a test with this body, under our fixtures and with little patience."""
    path = folder / "test_leaving.py"
    path.write_text(
        "import subprocess, sys, warnings\n"
        "import harness\n"
        "harness.GRACE = 2.0\n"
        f"def test_it():\n    warnings.simplefilter('ignore')\n    {body.strip()}\n"
    )
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "conftest", "-p", "no:cacheprovider", "-q", path],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *map(str, sys.path)])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("body", LEAVING.values(), ids=LEAVING)
def test_notices_a_process_that_goes_on(body: str, tmp_path: Path) -> None:
    """A test after which a child or an orphan goes on fails, is told which, and it is ended."""
    before = harness.living()
    done = outcome(body, tmp_path)
    assert done.returncode == 1, done.stdout
    assert "processes were left behind" in done.stdout
    assert sys.executable in done.stdout
    assert not harness.left_behind(before)


@pytest.mark.parametrize("body", CLEAN.values(), ids=CLEAN)
def test_waits_for_what_ends_by_itself(body: str, tmp_path: Path) -> None:
    """A process that ends soon, and this process's own helpers, are no fault."""
    done = outcome(body, tmp_path)
    assert done.returncode == 0, done.stdout
