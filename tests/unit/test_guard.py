"""Unit: what a script binds at import, and what it sets later, read from its source."""

from __future__ import annotations

import pytest

from workerstate import guard

SCRIPT = """
import os.path, json as j
from math import *
from sys import argv as given
A = B = 1
A.attribute = 2
for C in range(3):
    D = C
with open(os.devnull) as E, open(os.devnull):
    pass
class F:
    G = 1
    def method(self):
        self.level = 1
def h():
    global I
    I = local = 1
if A:
    J = 1
if __name__ == "__main__":
    A = 2
    late = 3
    F.G = 4
    def guarded(): inside = 1
else:
    K = 1
"""


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    return str(path)


def test_what_an_import_binds(script):
    """All names of the top level, but those below the guard; a star stands for its module's."""
    expected = {*"ABCDEFJKh", "os", "j", "given", "*", "math:*"}
    assert guard.names_bound(script) == expected


def test_what_is_set_later(script):
    """Below the guard, by ``global`` in functions, and attributes of whatever it is."""
    assert guard.names_set(script) == {"A", "late", "G", "I", "level", "attribute"}


def test_the_lines_of_the_guard(script):
    """From its ``if`` to the last line of its body; not its ``else``."""
    lines = SCRIPT.split("\n")
    first = next(n for n, line in enumerate(lines, 1) if "__main__" in line)
    assert guard.guard_lines(script) == ((first, first + 4),)
    assert guard.is_guarded(script, first + 1)
    assert not guard.is_guarded(script, first + 6)


def test_a_source_that_can_not_be_read(tmp_path):
    """Of that nothing is known."""
    assert guard.names_bound(str(tmp_path / "none.py")) is None
    assert guard.guard_lines(str(tmp_path / "none.py")) == ()


ASKED = """
here = [
    __name__ == "__main__",
    "__main__" == __name__,
    __name__ in ("__main__", "other"),
    "__main__" in (__name__,),
    (__name__ == "__main__") == True,
    (lambda: __name__ == "__main__")(),
]
elsewhere = __name__ != "__main__"
name = __name__
"""


def test_a_script_is_not_the_main_program_in_a_worker():
    """However it asks; all else that goes by its name is as in the parent."""
    space = {"__name__": "__main__"}
    exec(guard.compiled(ASKED, "script.py"), space)
    assert space["here"] == [False] * 6
    assert space["elsewhere"] is True
    assert space["name"] == "__main__"
