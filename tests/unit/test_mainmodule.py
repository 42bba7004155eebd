"""Unit: what workers lack of the main module, where threads ask for it at once."""

from __future__ import annotations

import sys
import threading
import types

from workerstate.mainmodule import Shared


def test_who_asks_while_another_looks_is_told_the_same(monkeypatch):
    """A function that was defined a moment ago is lacking to both: neither sends it by name."""
    main = types.ModuleType("__main__")
    main.__file__ = "program.py"
    monkeypatch.setitem(sys.modules, "__main__", main)
    found = []

    def bound():  # it reads and parses the program's source
        if len(found) == 1:
            found.append(None)
            other = threading.Thread(target=lambda: found.append(shared.lacking), daemon=True)
            other.start()
            other.join(10)
        return names

    shared = Shared(bound)
    names = frozenset(vars(main))
    found.append(shared.lacking)
    exec("def late(): pass", vars(main))
    found.append(shared.lacking)
    assert found == [frozenset(), None, {"late"}, {"late"}]
