"""Reported failures as small programs: found where they fail, silent where they do not.

The programs are kept beside the checkout; where they are not, these tests are skipped.
"""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness import Observed

CASES = Path(__file__).resolve().parents[2].parent / "shared" / "cases"

pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not beside the checkout")

# Case -> the finding that it must bring wherever it fails.
FINDINGS = {
    "01_log_config_lost": "WS101",
    "04_handlers_pile_up": "WS203",
    "08_epochs_repeat": "WS111",
    "11_args_global_missing": "WS103",
    "14_class_attribute_reset": "WS103",
    "20_mock_patch_lost": "WS103",
    "25_decimal_context_lost": "WS102",
    "29_dynamic_module_missing": "WS402",
    "33_chdir_leak": "WS204",
    "39_http_session_shared": "WS502",
    "42_lock_held_at_fork": "WS501",
    "50_initializer_raises": "WS202",
    "52_big_object_every_task": "WS401",
}
NEEDS = {"08_epochs_repeat": "numpy", "39_http_session_shared": "requests"}
# Start methods that would take long, or are not looked into, by case.
LEFT_OUT = {
    ("29_dynamic_module_missing", "loky"),  # loky's own error names the module
    ("50_initializer_raises", "spawn"),
    ("50_initializer_raises", "forkserver"),
}


def strings(text: str, name: str) -> list[str]:
    """Read a list of strings from a case's description."""
    found = re.search(rf"^{name} = (\[.*?\])$", text, re.MULTILINE)
    return list(ast.literal_eval(found.group(1))) if found else []


def runs() -> Iterator[tuple[str, str, bool]]:
    """Give case, start method, and whether it fails there."""
    for case in FINDINGS:
        path = CASES / case / "case.toml"
        if not path.exists():
            continue
        text = path.read_text()
        failing = {start.partition(" ")[0] for start in strings(text, "fails_under")}
        for start in ("fork", "spawn", "forkserver", "loky"):
            if start in strings(text, "starts") and (case, start) not in LEFT_OUT:
                yield case, start, start in failing


@pytest.mark.parametrize(("case", "start", "fails"), [*runs()])
def test_reported_failure(
    case: str, start: str, fails: bool, run_observed: Callable[..., Observed]
) -> None:
    """The program fails where it did without us, with its finding, and nowhere else."""
    for library in filter(None, (NEEDS.get(case), start == "loky" and "loky")):
        if importlib.util.find_spec(library) is None:
            pytest.skip(f"needs {library}")
    seen = run_observed(
        [str(CASES / case / "case.py")],
        env={"START": start, "POOL": "futures", "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=CASES / case,
        timeout=90,
    )
    (result,) = re.findall(r"^RESULT: (OK|BAD)", seen.stdout.decode(), re.MULTILINE)
    assert result == ("BAD" if fails else "OK")
    assert seen.document["faults"] == []
    assert set(seen.codes) == ({FINDINGS[case]} if fails else set())
